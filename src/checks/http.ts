import type { Run } from "../base/events.ts";
import { bad, type Check, type CheckResult, GOOD } from "./check.ts";
import { type Expectation, problemOf, valueAt } from "./expectation.ts";

export type HttpRequest = {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly body?: unknown;
  readonly timeoutMs: number;
};

export type HttpCheckConfig = HttpRequest & {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Dotted paths into the JSON answer. */
  readonly json: Readonly<Record<string, Expectation>>;
  readonly latencyMsMax?: number | undefined;
};

export type HttpAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly elapsedMs: number;
};

const BODY_BYTES_MAX = 1024 * 1024;

/** Asks once. Throws when nobody listens or the answer takes too long. */
export async function askHttp(
  { url, method, body, timeoutMs }: HttpRequest,
  { signal }: Run,
): Promise<HttpAnswer> {
  const started = performance.now();
  const response = await fetch(url, {
    method,
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const text = (await response.text()).slice(0, BODY_BYTES_MAX);
  const { status, headers } = response;
  return { status, headers, text, elapsedMs: performance.now() - started };
}

/** Why a request could not be answered, for people. */
export function whyUnanswered(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

/** Good when the answer is as expected; bad when it is not, or when nobody listens. */
export function httpCheck(config: HttpCheckConfig): Check {
  return {
    async ask(run) {
      try {
        return judge(await askHttp(config, run), config);
      } catch (error) {
        run.signal.throwIfAborted();
        return bad(whyUnanswered(error));
      }
    },
  };
}

function judge(
  { status, headers, text, elapsedMs }: HttpAnswer,
  { status: wanted, headers: wantedHeaders, json, latencyMsMax }: HttpCheckConfig,
): CheckResult {
  if (status !== wanted) return bad(`status ${status}, not ${wanted}`);
  for (const [name, value] of Object.entries(wantedHeaders)) {
    if (headers.get(name) !== value) return bad(`header ${name} is ${headers.get(name)}`);
  }
  if (latencyMsMax !== undefined && elapsedMs > latencyMsMax) {
    return bad(`it took ${Math.round(elapsedMs)} ms, more than ${latencyMsMax}`);
  }
  const fields = Object.entries(json);
  if (fields.length === 0) return GOOD;
  const root = parseJson(text);
  // What the answer is instead does not matter: a field of it was asked for.
  if (root === undefined) return bad("the answer is not JSON");
  for (const [path, expectation] of fields) {
    const value = valueAt(root, path);
    const problem = problemOf(value, expectation);
    if (problem !== undefined) return bad(`${path} is ${JSON.stringify(value)}, ${problem}`);
  }
  return GOOD;
}

/** Undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The caller says what it expected.
    return undefined;
  }
}
