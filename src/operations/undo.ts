import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
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
  refuseChanged(system, found);
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

/** Half an undo, or one of data that the application no longer uses, is none. */
function refuseChanged(system: System, { operation, stores }: SetAside): void {
  const switched = operation.plan.steps.flatMap((step) =>
    step.act === "active" ? [step.slot] : [],
  );
  const gone = switched.find((slot) => !stores.some(({ store }) => store.name === slot));
  if (gone !== undefined) {
    throw new AppError(
      "NOT_FOUND",
      `undo ${operation.id}: of ${gone} nothing is set aside any more`,
      {
        hint: `The others lie there still. To free them: lastgood keep ${operation.id}`,
      },
    );
  }
  const now = system.components.flatMap((component) => component.stores);
  for (const { store } of stores) {
    const same = now.find((one) => one.store.name === store.name);
    if (same === undefined || same.store.livePath === store.livePath) continue;
    throw new AppError("REFUSED", `undo ${operation.id}: ${store.name} lies elsewhere by now`, {
      hint: `It was ${store.livePath}; now it is ${same.store.livePath}. Put the link or path back first.`,
    });
  }
}
