import { realEffects } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import { monotonicMs } from "../base/clock.ts";
import type { Run } from "../base/events.ts";
import type { Progress } from "../journal/journal.ts";
import { planSwitches, type Switch } from "../journal/plan.ts";
import { discardVersion, isReady } from "../slots/place.ts";
import { version, type Version } from "../slots/slot.ts";
import { type Component, openComponents, type OpenStore } from "./components.ts";
import { begin, newOperationId, type OperationSetup, type RestoreResult } from "./restore.ts";
import { surroundingsOf, type System } from "./system.ts";

/** An operation that can still be undone: what it displaced lies ready. */
export type Undoable = {
  readonly operation: Progress;
  readonly displaced: Version;
  readonly components: readonly Component[];
  readonly stores: readonly OpenStore[];
};

const HISTORY_MAX = 1000;

/**
 * Operations that can be undone, newest first. Their slots are those of the journal: the
 * configuration may have changed since.
 */
export async function listUndoable(system: System): Promise<Undoable[]> {
  const opened = new Map<string, Promise<Component[]>>();
  const found: Undoable[] = [];
  for (const operation of system.journal.history(HISTORY_MAX)) {
    const displaced = version(`before-${operation.id}`);
    const { components: configs } = operation.setup as OperationSetup;
    const key = JSON.stringify(configs);
    if (!opened.has(key)) opened.set(key, openComponents(configs, surroundingsOf(system)));
    const components = (await opened.get(key))!;
    const stores: OpenStore[] = [];
    for (const open of components.flatMap((component) => component.stores)) {
      if (await isReady(await open.store.place(), displaced)) stores.push(open);
    }
    if (stores.length > 0) found.push({ operation, displaced, components, stores });
  }
  return found;
}

/** Puts back what an operation displaced; what is live now lies ready in turn. */
export async function undo(
  system: System,
  named: string | undefined,
  reason: string,
  run: Run,
): Promise<RestoreResult> {
  const started = monotonicMs();
  const { displaced, components, stores } = await find(system, named, "undo");
  const operation = newOperationId(system);
  const safetyPoint = version(`before-${operation}`);
  const plan = planSwitches(
    stores.map(({ store, component }): Switch => ({
      slot: store.name,
      component,
      to: displaced,
      displaced: safetyPoint,
      ready: true,
    })),
  );
  const ended = await begin(system, operation, "undo", plan, components, reason, run);
  const elapsedMs = monotonicMs() - started;
  return { ...ended, stamp: displaced, safetyPoint, operation, stale: [], elapsedMs };
}

/** Ends the possibility to undo an operation, and frees what it kept. */
export async function keep(system: System, named: string | undefined): Promise<{ kept: string }> {
  const { operation, displaced, stores } = await find(system, named, "keep");
  for (const { store } of stores) await discardVersion(await store.place(), displaced, realEffects);
  return { kept: operation.id };
}

/** Frees what has been kept for undoing longer than the configuration says. */
export async function expireUndo(system: System): Promise<void> {
  const oldest = system.host.clock.now().getTime() - system.config["undo-for"];
  for (const { operation } of await listUndoable(system)) {
    if (operation.outcome === undefined || operation.outcome === "needs-human") continue;
    if (Date.parse(operation.started) < oldest) await keep(system, operation.id);
  }
}

async function find(system: System, named: string | undefined, verb: string): Promise<Undoable> {
  const undoable = await listUndoable(system);
  const found = named === undefined ? undoable[0] : undoable.find((u) => u.operation.id === named);
  if (found !== undefined) return found;
  const what = named === undefined ? "nothing" : named;
  throw new AppError("NOT_FOUND", `${verb} ${what}: there is no operation to ${verb}`, {
    hint: "See what has been done: lastgood history",
  });
}
