import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { planChange, type ReleaseSwitch, type StoreSwitch } from "../journal/plan-change.ts";
import { version } from "../slots/slot.ts";
import type { Outside } from "../targets/folder/outside.ts";
import { newOperationId } from "./record.ts";
import { begin, type OperationSetup, type ReleaseChange } from "./begin.ts";
import { chainOf, previousFor } from "./releases/chain.ts";
import { outsideOf, outsideSwitches } from "./releases/outside.ts";
import { deployable, findRelease, withDependents } from "./releases/target-of.ts";
import type { RestoreResult } from "./restore.ts";
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
  const whole = withDependents(system, components);
  const { release } = found.operation.setup as OperationSetup;
  const releases = await releaseBack(system, release, run);
  const outside = await outsideFor(system, releases);
  const plan = planChange({
    stores: [
      ...stores.map(({ store, component }): StoreSwitch => ({
        slot: store.name,
        component,
        to: displaced,
        displaced: safetyPoint,
        // It stays what can be undone to, so that the undo can be tried again.
        rejected: displaced,
        ready: true,
      })),
      ...releases.flatMap(({ component, to }) =>
        outsideSwitches(component, outside, to, operation),
      ),
    ],
    releases,
    components: whole.map(({ name }) => name),
  });
  const intended = {
    id: operation,
    kind: "undo",
    plan: async () => plan,
    components: whole,
    reason,
    ifUnwell: "go on",
    ...releaseChange(releases, outside),
  } as const;
  const ended = await begin(system, intended, run);
  const elapsedMs = monotonicMs() - started;
  return { ...ended, stamp: displaced, safetyPoint, operation, stale: [], elapsedMs };
}

function releaseChange(
  [back]: readonly ReleaseSwitch[],
  outside: readonly Outside[],
): { release?: () => ReleaseChange } {
  if (back === undefined) return {};
  const { from, to, factory, component } = back;
  return { release: () => ({ component, from, to, factory, outside }) };
}

async function outsideFor(
  system: System,
  [back]: readonly ReleaseSwitch[],
): Promise<readonly Outside[]> {
  if (back === undefined) return [];
  return await outsideOf(system, deployable(system, back.component), back.to);
}

/** The release that was live before the operation comes back with its data. */
async function releaseBack(
  system: System,
  release: ReleaseChange | undefined,
  run: Run,
): Promise<ReleaseSwitch[]> {
  if (release?.from === undefined) return [];
  const { name, target } = deployable(system, release.component);
  const to = version(release.from);
  const chain = await chainOf(target, true, run);
  if (chain.from === to) return [];
  if ((await findRelease(target, to)) === undefined) {
    throw new AppError("NOT_FOUND", `undo: release ${to} of ${name} is not there any more`);
  }
  const previous = await previousFor(target, to, undefined, run);
  const common = { slot: name, component: name, evidence: undefined, leavesBad: false };
  return [{ ...common, ...chain, to, previous }];
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
