import type { Run } from "../base/events.ts";
import { bad, type CheckResult, GOOD, unknown } from "./check.ts";
import { valueAt } from "./expectation.ts";
import { askHttp, parseJson } from "./http.ts";

export type Metric = {
  readonly http: string;
  /** The dotted path of a number in the answer; undefined: how long the answer took, in ms. */
  readonly field: string | undefined;
  readonly criticalRatio: number;
  /** With fewer good answers than this nothing is known. */
  readonly samples: number;
};

const TIMEOUT_MS = 10_000;

/** Measures once; undefined when there was no usable answer. */
export async function sampleMetric(metric: Metric, run: Run): Promise<number | undefined> {
  try {
    const request = { url: metric.http, method: "GET", timeoutMs: TIMEOUT_MS } as const;
    const { status, text, elapsedMs } = await askHttp(request, run);
    if (status !== 200) return undefined;
    if (metric.field === undefined) return elapsedMs;
    const value = valueAt(parseJson(text), metric.field);
    return typeof value === "number" && Number.isFinite(value) ? value : undefined;
  } catch {
    run.signal.throwIfAborted();
    // No answer is no sample.
    return undefined;
  }
}

/** Compares the medians before and after; bad when it became worse by more than the ratio. */
export function compareMetric(
  metric: Metric,
  before: readonly number[],
  after: readonly number[],
): CheckResult {
  if (before.length < metric.samples) return unknown(`${before.length} samples from before`);
  if (after.length < metric.samples) return unknown(`${after.length} samples so far`);
  const [was, is] = [median(before), median(after)];
  // What was nothing and is something has no ratio.
  if (was <= 0) return is <= 0 ? GOOD : unknown("it was 0 before");
  const ratio = is / was;
  const said = `${is.toPrecision(3)}, ${ratio.toPrecision(2)} times what it was`;
  return ratio > metric.criticalRatio ? bad(said) : { verdict: "good", detail: said };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
