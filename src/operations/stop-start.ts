import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { waitUntilHealthy } from "./acts/healthy.ts";
import { start, stop } from "./acts/stop-start.ts";
import type { Component } from "./components.ts";
import { lockComponents } from "./operation-lock.ts";
import { recordDone } from "./record.ts";
import { withDependents } from "./releases/target-of.ts";
import type { System } from "./system.ts";
import { refuseInterrupted } from "./unfinished.ts";

/** Stops a component with all that depend on it, or everything; dependents first. */
export async function stopComponents(
  system: System,
  named: string | undefined,
  reason: string,
  run: Run,
): Promise<{ stopped: string[] }> {
  const components = withDependents(system, chosen(system, named));
  await withLock(system, components, async () => {
    for (const component of components) await stop(component, run);
  });
  const stopped = components.map(({ name }) => name);
  recordDone(system, "stop", [stopped.join(", "), reason].filter(Boolean).join(": "), undefined);
  return { stopped };
}

/**
 * Starts a component with all that depend on it, or everything; dependencies first, each only once
 * the one before is healthy. NEEDS_HUMAN while an operation was interrupted: `recover` comes first.
 */
export async function startComponents(
  system: System,
  named: string | undefined,
  reason: string,
  run: Run,
): Promise<{ started: string[] }> {
  const components = withDependents(system, chosen(system, named)).toReversed();
  await withLock(system, components, async () => {
    for (const component of components) {
      await start(component, run);
      await waitUntilHealthy(component, { atLeast: "good" }, {}, run);
    }
  });
  const started = components.map(({ name }) => name);
  recordDone(system, "start", [started.join(", "), reason].filter(Boolean).join(": "), undefined);
  return { started };
}

async function withLock(
  system: System,
  components: readonly Component[],
  work: () => Promise<void>,
): Promise<void> {
  const names = components.map(({ name }) => name);
  using _lock = lockComponents(system.paths.locks, names);
  refuseInterrupted(system, components);
  await work();
}

/** All components, or the one that is named. NOT_FOUND. */
export function chosen({ components }: System, named: string | undefined): Component[] {
  const found = components.filter(({ name }) => named === undefined || name === named);
  if (found.length > 0) return found;
  throw new AppError("NOT_FOUND", `choose ${named}: there is no such component`, {
    hint: `There are: ${components.map(({ name }) => name).join(", ")}`,
  });
}
