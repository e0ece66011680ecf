import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Verdict } from "../../checks/check.ts";
import type { Step } from "../../journal/plan.ts";
import type { Runner } from "../../runners/runner.ts";
import type { Component } from "../components.ts";

/** Check by check, what was found before anything was touched. */
export type Baseline = Readonly<Record<string, Verdict>>;

const POLL_MS = 100;

/**
 * Good for `healthy-for` without a break, within the deadline, and by the same processes all the
 * time: one that dies and is started again is not healthy. UNHEALTHY.
 */
export async function waitUntilHealthy(
  component: Component,
  { atLeast, isQuick }: Pick<Extract<Step, { act: "healthy" }>, "atLeast" | "isQuick">,
  baseline: Baseline,
  run: Run,
): Promise<void> {
  const { name, runner, checks, config } = component;
  const { "healthy-for": healthyForMs, deadline } = config.verify;
  if (runner === undefined && !checks.some(({ isRequired }) => isRequired)) {
    const message = `${name}: nothing checks its health, so that is unknown`;
    return run.report({ type: "warning", message });
  }
  const startedMs = performance.now();
  const identity = await runner?.identity?.(run);
  let goodSinceMs: number | undefined;
  for (;;) {
    // Whoever was started and is gone does not come back; whoever is started again has died.
    if (runner !== undefined && !(await runner.isAlive(run))) {
      throw unhealthy(component, await whyEnded(runner, run));
    }
    const bad = await firstBadCheck(component, atLeast, baseline, run, "quick");
    if ((await runner?.identity?.(run)) !== identity) {
      throw unhealthy(component, await whyRestarted(runner, run));
    }
    const nowMs = performance.now();
    goodSinceMs = bad === undefined ? (goodSinceMs ?? nowMs) : undefined;
    if (goodSinceMs !== undefined && nowMs - goodSinceMs >= healthyForMs) {
      const unfit =
        isQuick === true
          ? undefined
          : await firstBadCheck(component, atLeast, baseline, run, "thorough");
      if (unfit !== undefined) throw unhealthy(component, unfit);
      if (identity !== undefined) HEALTHY_AS.set(component, identity);
      return;
    }
    if (nowMs - startedMs >= deadline)
      throw unhealthy(component, bad ?? "not good for long enough");
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

/** How each component's processes were called when it was healthy. */
const HEALTHY_AS = new WeakMap<Component, string>();

/** UNHEALTHY when a component that was healthy is not any more, or was started again since. */
export async function refuseUnsteady(component: Component, run: Run): Promise<void> {
  const { runner } = component;
  if (runner !== undefined && !(await runner.isAlive(run)))
    throw unhealthy(component, await whyEnded(runner, run));
  const bad = await firstBadCheck(component, "good", {}, run, "quick");
  if (bad !== undefined) throw unhealthy(component, bad);
  const was = HEALTHY_AS.get(component);
  if (was !== undefined && (await runner?.identity?.(run)) !== was) {
    throw unhealthy(component, await whyRestarted(runner, run));
  }
}

/** What is wrong with a component, and where more about it is to be found. */
export function unhealthy(
  { name, runner }: Component,
  problem: string,
  what: "verify" | "watch" = "verify",
): AppError {
  return new AppError("UNHEALTHY", `${what} ${name}: ${problem}`, {
    hint:
      runner?.log === undefined ? "See the log of the application." : `See its log: ${runner.log}`,
  });
}

async function whyEnded(runner: Runner, run: Run): Promise<string> {
  if (runner.whyEnded !== undefined) return await runner.whyEnded(run);
  return `it ended by itself${(await runner.lastWords?.(run)) ?? ""}`;
}

/** Why a component is not well whose processes are others than before. */
export async function whyRestarted(runner: Runner | undefined, run: Run): Promise<string> {
  return `it died and was started again${(await runner?.lastWords?.(run)) ?? ""}`;
}

/** What is wrong with a component right now, as far as that is soon known; undefined: nothing. */
export async function firstBad(component: Component, run: Run): Promise<string | undefined> {
  const { runner } = component;
  // Whoever does not run is not healthy, whatever still answers on its port.
  if (runner !== undefined && !(await runner.isAlive(run))) return await whyEnded(runner, run);
  return await firstBadCheck(component, "good", {}, run, "quick");
}

async function firstBadCheck(
  { name: component, checks }: Component,
  atLeast: "good" | "as-before",
  baseline: Baseline,
  run: Run,
  which: "quick" | "thorough",
): Promise<string | undefined> {
  for (const { name, check, isRequired } of checks) {
    const kind = check.isThorough === true ? "thorough" : "quick";
    if (which !== kind) continue;
    const key = `${component}/${name}`;
    // What was bad before is not the fault of having gone back.
    const isExcused = atLeast === "as-before" && (baseline[key] ?? "good") !== "good";
    if (!isRequired || isExcused) continue;
    const { verdict, detail } = await check.ask(run);
    if (verdict !== "good") return `check ${name} is ${verdict}: ${detail}`;
  }
  return undefined;
}

/** Asks every check once; those that look at everything only where that is wanted. */
export async function sampleChecks(
  components: readonly Component[],
  run: Run,
  which: "all" | "quick" = "all",
): Promise<Baseline> {
  const baseline: Record<string, Verdict> = {};
  for (const { name: component, checks } of components) {
    for (const { name, check } of checks) {
      if (which === "quick" && check.isThorough === true) continue;
      baseline[`${component}/${name}`] = (await check.ask(run)).verdict;
    }
  }
  return baseline;
}
