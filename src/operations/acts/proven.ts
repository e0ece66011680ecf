import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../../base/events.ts";
import { compareMetric, type Metric, sampleMetric } from "../../checks/metric.ts";
import type { Component } from "../components.ts";
import { firstBad, unhealthy, whyRestarted } from "./healthy.ts";
import type { Metrics } from "./perform.ts";

const BASELINE_PAUSE_MS = 50;

/** Measures before a change what the bake time will compare with. */
export async function sampleMetrics(components: readonly Component[], run: Run): Promise<Metrics> {
  const measured: Record<string, number[]> = {};
  for (const component of components) {
    for (const [name, metric] of metricsOf(component)) {
      const values: number[] = [];
      for (let i = 0; i < metric.samples; i++) {
        const value = await sampleMetric(metric, run);
        if (value !== undefined) values.push(value);
        await sleep(BASELINE_PAUSE_MS, undefined, { signal: run.signal });
      }
      measured[`${component.name}/${name}`] = values;
    }
  }
  return measured;
}

/** Watches a new release for its bake time. UNHEALTHY as soon as it is clearly worse than before. */
export async function prove(component: Component, before: Metrics, run: Run): Promise<void> {
  const { bake } = component.config;
  if (bake === undefined) return;
  const after = new Map<string, number[]>();
  const endMs = performance.now() + bake.for;
  const identity = await component.runner?.identity?.(run);
  for (;;) {
    const bad = await firstBad(component, run);
    if (bad !== undefined) throw unhealthy(component, bad, "watch");
    if ((await component.runner?.identity?.(run)) !== identity) {
      throw unhealthy(component, await whyRestarted(component.runner, run), "watch");
    }
    for (const [name, metric] of metricsOf(component)) {
      const values = after.get(name) ?? [];
      const value = await sampleMetric(metric, run);
      if (value !== undefined) values.push(value);
      after.set(name, values);
      const found = compareMetric(metric, before[`${component.name}/${name}`] ?? [], values);
      if (found.verdict === "bad")
        throw unhealthy(component, `${name} is ${found.detail}`, "watch");
    }
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) break;
    await sleep(Math.min(bake.every, leftMs), undefined, { signal: run.signal });
  }
  for (const [name, metric] of metricsOf(component)) {
    const values = after.get(name) ?? [];
    const found = compareMetric(metric, before[`${component.name}/${name}`] ?? [], values);
    if (found.verdict !== "unknown") continue;
    const message = `${component.name}: ${name} could not be judged: ${found.detail}`;
    run.report({ type: "warning", message });
  }
}

function metricsOf({ config }: Component): [string, Metric][] {
  return Object.entries(config.bake?.metrics ?? {}).map(([name, metric]) => [
    name,
    { ...metric, field: metric.field, criticalRatio: metric["critical-ratio"] },
  ]);
}
