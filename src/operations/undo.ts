import { monotonicMs } from "../base/clock.ts";
import type { Run } from "../base/events.ts";
import { planSwitches, type Switch } from "../journal/plan.ts";
import { version } from "../slots/slot.ts";
import { newOperationId } from "./record.ts";
import { begin, type RestoreResult } from "./restore.ts";
import { listSetAside, nothingTo, type SetAside } from "./set-aside.ts";
import type { System } from "./system.ts";

/** Operations that can still be undone, newest first: what they displaced lies ready. */
export async function listUndoable(system: System): Promise<SetAside[]> {
  return (await listSetAside(system)).filter(({ word }) => word === "before");
}

/** Puts back what an operation displaced; what is live now lies ready in turn. */
export async function undo(
  system: System,
  named: string | undefined,
  reason: string,
  run: Run,
): Promise<RestoreResult> {
  const started = monotonicMs();
  const undoable = await listUndoable(system);
  const found = named === undefined ? undoable[0] : undoable.find((u) => u.operation.id === named);
  if (found === undefined) throw nothingTo("undo", named);
  const { version: displaced, components, stores } = found;
  const operation = newOperationId(system);
  const safetyPoint = version(`before-${operation}`);
  const plan = planSwitches(
    stores.map(({ store, component }): Switch => ({
      slot: store.name,
      component,
      to: displaced,
      displaced: safetyPoint,
      // It stays what can be undone to, so that the undo can be tried again.
      rejected: displaced,
      ready: true,
    })),
  );
  const ended = await begin(system, operation, "undo", plan, components, reason, run);
  const elapsedMs = monotonicMs() - started;
  return { ...ended, stamp: displaced, safetyPoint, operation, stale: [], elapsedMs };
}
