import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Effects, realEffects } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { hostFacts } from "../base/host.ts";
import { processesUsing } from "../base/open-files.ts";
import type { Verdict } from "../checks/check.ts";
import type { Perform } from "../journal/carry-out.ts";
import type { Slot } from "../slots/slot.ts";
import type { Store } from "../stores/store.ts";
import { type Source, storeSlot } from "../stores/store-slot.ts";
import { SQLITE_COMPANIONS } from "../stores/sqlite-file.ts";
import type { Component } from "./components.ts";

/** Check by check, what was found before anything was touched. */
export type Baseline = Readonly<Record<string, Verdict>>;

/** Ties the acts of plans to the components and stores that are open. */
export function performer(
  components: readonly Component[],
  source: Source,
  baseline: Baseline,
  effects: Effects = realEffects,
): Perform {
  const stores = components.flatMap((component) => component.stores.map(({ store }) => store));
  const slots = new Map<string, Slot>(
    stores.map((store) => [store.name, storeSlot(store, source, effects)] as const),
  );
  const storeOf = (name: string): Store => {
    const store = stores.find((candidate) => candidate.name === name);
    assert(store !== undefined, `the plan names a store that is not there: ${name}`);
    return store;
  };
  const slotOf = (name: string): Slot => {
    const slot = slots.get(name);
    assert(slot !== undefined, `the plan names a slot that is not there: ${name}`);
    return slot;
  };
  const componentOf = (name: string): Component => {
    const component = components.find((candidate) => candidate.name === name);
    assert(component !== undefined, `the plan names a component that is not there: ${name}`);
    return component;
  };

  return async (step, run) => {
    switch (step.act) {
      case "staged":
        return await slotOf(step.slot).stage(step.version, run);
      case "verified":
        return await slotOf(step.slot).verify(step.version, run);
      case "active":
        return await slotOf(step.slot).activate(step.version, step.displaced, run);
      case "discarded":
        return await slotOf(step.slot).discard(step.version, run);
      case "released":
        return await storeOf(step.slot).hold?.release(run);
      case "stopped":
        return await stop(componentOf(step.component), run);
      case "running":
        return await start(componentOf(step.component), run);
      case "healthy":
        return await waitUntilHealthy(componentOf(step.component), step.atLeast, baseline, run);
    }
  };
}

/** REFUSED when something goes on using the data: it would write into what was switched away. */
async function stop({ name, runner, stores }: Component, run: Run): Promise<void> {
  await runner?.stop(run);
  const [pid] = usersOf(stores);
  if (pid === undefined) return;
  throw new AppError("REFUSED", `stop ${name}: process ${pid} still has its data open`, {
    hint:
      runner === undefined
        ? "Say under run: how it is stopped and started, or stop it yourself first."
        : "Another program uses the same files. Stop it first.",
  });
}

/** Processes that have something of the live data open. */
function usersOf(stores: Component["stores"]): number[] {
  const files = stores.flatMap(({ store }) =>
    ["", ...SQLITE_COMPANIONS].map((suffix) => store.livePath + suffix),
  );
  return processesUsing(files, hostFacts().pid);
}

/** As above, but to start what was stopped matters more than to know. */
function anyUserOf(stores: Component["stores"]): number | undefined {
  try {
    return usersOf(stores)[0];
  } catch {
    return undefined;
  }
}

/** A second one must not be started beside one that only seems to be gone. */
async function start({ name, runner, stores }: Component, run: Run): Promise<void> {
  if (runner === undefined) return;
  const pid = anyUserOf(stores);
  if (pid === undefined || (await runner.isAlive(run))) return await runner.start(run);
  const message = `start ${name}: process ${pid} has its data open, so it seems to run already`;
  run.report({ type: "warning", message });
}

const POLL_MS = 250;

/** Good for `healthy-for` without a break, within the deadline. UNHEALTHY. */
async function waitUntilHealthy(
  component: Component,
  atLeast: "good" | "as-before",
  baseline: Baseline,
  run: Run,
): Promise<void> {
  const { "healthy-for": healthyForMs, deadline } = component.config.verify;
  const required = component.checks.filter(({ isRequired }) => isRequired);
  if (required.length === 0) {
    const message = `${component.name}: nothing checks its health, so that is unknown`;
    return run.report({ type: "warning", message });
  }
  const startedMs = performance.now();
  let goodSinceMs: number | undefined;
  for (;;) {
    const bad = await firstBad(component, atLeast, baseline, run);
    const nowMs = performance.now();
    goodSinceMs = bad === undefined ? (goodSinceMs ?? nowMs) : undefined;
    if (goodSinceMs !== undefined && nowMs - goodSinceMs >= healthyForMs) return;
    if (nowMs - startedMs >= deadline) {
      throw new AppError(
        "UNHEALTHY",
        `verify ${component.name}: ${bad ?? "not good for long enough"}`,
        {
          hint: "See the log of the application.",
        },
      );
    }
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

async function firstBad(
  { name: component, checks }: Component,
  atLeast: "good" | "as-before",
  baseline: Baseline,
  run: Run,
): Promise<string | undefined> {
  for (const { name, check, isRequired } of checks) {
    const key = `${component}/${name}`;
    // What was bad before is not the fault of having gone back.
    const isExcused = atLeast === "as-before" && (baseline[key] ?? "good") !== "good";
    if (!isRequired || isExcused) continue;
    const { verdict, detail } = await check.ask(run);
    if (verdict !== "good") return `check ${name} is ${verdict}: ${detail}`;
  }
  return undefined;
}

/** Asks every check once. */
export async function sampleChecks(components: readonly Component[], run: Run): Promise<Baseline> {
  const baseline: Record<string, Verdict> = {};
  for (const { name: component, checks } of components) {
    for (const { name, check } of checks) {
      baseline[`${component}/${name}`] = (await check.ask(run)).verdict;
    }
  }
  return baseline;
}
