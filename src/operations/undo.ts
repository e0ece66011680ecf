import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Plan } from "../journal/plan.ts";
import { planChange, type StoreSwitch } from "../journal/plan-change.ts";
import { version, type Version } from "../slots/slot.ts";
import { newOperationId } from "./record.ts";
import { saveGivenUp } from "./given-up.ts";
import { begin, type OperationSetup, type ReleaseChange } from "./begin.ts";
import type { OpenStore } from "./components.ts";
import { compatibilityOf } from "./releases/compatibility.ts";
import { savedStores } from "./releases/chain.ts";
import { together } from "./releases/outside.ts";
import { deployable, withDependents } from "./releases/target-of.ts";
import {
  outsideFor,
  outsideLeft,
  outsideUndone,
  releaseBack,
  releaseChange,
} from "./releases/undo-release.ts";
import type { RestoreResult } from "./restore.ts";
import { foldersOf, listSetAside, nothingTo, type SetAside, switchedStores } from "./set-aside.ts";
import type { System } from "./system.ts";

/** Operations that can still be undone, newest first. */
export async function listUndoable(system: System, run: Run): Promise<SetAside[]> {
  const aside = (await listSetAside(system, run)).filter(
    ({ word, operation }) => word === "before" && !isFirstDeploy(operation.setup),
  );
  const known = new Set(aside.map(({ operation }) => operation.id));
  const others = lastReleaseChanges(system).filter(({ operation }) => !known.has(operation.id));
  const order = system.journal.switches().map(({ id }) => id);
  const placeOf = ({ operation }: SetAside): number => order.indexOf(operation.id);
  return [...aside, ...others].toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** What an undo would bring back, in a line for people. */
export function describeUndoable({ operation, stores }: SetAside): string {
  const names = stores.map(({ store }) => store.name);
  const { release } = operation.setup as OperationSetup;
  const start = `${operation.id} ${operation.kind}: `;
  if (release?.from === undefined) return start + names.join(", ");
  const { component, from, to } = release;
  const switched = new Set(switchedStores(operation));
  const data = names.filter((name) => switched.has(name));
  return start + [`${component} from ${to} to ${from}`, ...data].join(", ");
}

function isFirstDeploy(setup: unknown): boolean {
  const { release } = setup as OperationSetup;
  return release !== undefined && release.from === undefined;
}

/** The last change of each component's release, which has something to go back to without data. */
function lastReleaseChanges({ journal, components }: System): SetAside[] {
  const seen = new Set<string>();
  const kept = journal.kept();
  return journal.releaseChanges().flatMap((operation): SetAside[] => {
    const { release } = operation.setup as OperationSetup;
    const component = components.find(({ name }) => name === release?.component);
    if (release === undefined || component === undefined || seen.has(component.name)) return [];
    if (operation.outcome !== "committed") return [];
    seen.add(component.name);
    if (release.from === undefined || kept.has(operation.id)) return [];
    const name = version(`before-${operation.id}`);
    return [{ operation, word: "before", version: name, components: [component], stores: [] }];
  });
}

export type UndoOptions = {
  readonly reason: string;
  /** Whether the application is left stopped, and not asked how it is with the data that come back. */
  readonly force?: boolean;
};

/** Puts back what an operation displaced; what is live now lies ready in turn. */
export async function undo(
  system: System,
  named: string | undefined,
  { reason, force = false }: UndoOptions,
  run: Run,
): Promise<RestoreResult & { readonly undone: string }> {
  const started = monotonicMs();
  const undoable = await listUndoable(system, run);
  const found = named === undefined ? undoable[0] : undoable.find((u) => u.operation.id === named);
  if (found === undefined) throw nothingTo("undo", named);
  const operation = newOperationId(system);
  let planned: PlannedUndo | undefined;
  const intended = {
    id: operation,
    kind: "undo",
    plan: async (down: readonly string[]): Promise<Plan> => {
      planned = await planUndo(system, found, { operation, down, force }, run);
      return planned.plan;
    },
    components: withDependents(system, found.components),
    reason,
    release: () => planned?.release,
    ifUnwell: "go on",
  } as const;
  const ended = await begin(system, intended, run);
  const elapsedMs = monotonicMs() - started;
  await saveGivenUp(system, run);
  const safetyPoint = `before-${operation}`;
  const { kind, id: undone } = found.operation;
  const lies = ended.outcome === "committed" ? undefined : await hintOfForce(found);
  return {
    ...ended,
    hint: [ended.hint, lies].filter(Boolean).join(" ") || undefined,
    undone: `${kind} ${undone}`,
    stamp: found.version,
    safetyPoint,
    operation,
    stale: [],
    elapsedMs,
  };
}

/** What an application cannot live with may be just what somebody is after. */
async function hintOfForce(found: SetAside): Promise<string> {
  const { release } = found.operation.setup as OperationSetup;
  if (release?.from !== undefined) {
    const { component, from } = release;
    return `With the data from before it: lastgood rollback ${component} --to ${from} --with-data`;
  }
  const folders = await foldersOf(found);
  const at = folders.length === 0 ? "" : ` in ${folders.join(" and ")}`;
  return (
    `What was to come back lies aside still${at}. To have it whether or not the application is well with ` +
    `it, which is left stopped: lastgood undo --force ${found.operation.id}`
  );
}

function notForced(id: string): AppError {
  return new AppError(
    "REFUSED",
    `undo ${id}: it changed the release, and --force is for data only`,
    {
      hint: "A release has to be seen well before it counts as good. Undo it without --force.",
    },
  );
}

type PlannedUndo = { readonly plan: Plan; readonly release: ReleaseChange | undefined };

type UndoPlanning = {
  readonly operation: string;
  readonly down: readonly string[];
  readonly force: boolean;
};

/** Made once nobody else can change anything. */
async function planUndo(
  system: System,
  found: SetAside,
  { operation, down, force }: UndoPlanning,
  run: Run,
): Promise<PlannedUndo> {
  refuseRenamed(system, found);
  refuseChanged(system, found);
  const stores = await storesToUndo(system, found, run);
  const { release } = found.operation.setup as OperationSetup;
  const { outcome } = found.operation;
  const releases = await releaseBack(system, release, outcome, operation, run);
  if (stores.length === 0 && releases.length === 0) throw nothingTo("undo", found.operation.id);
  if (force && releases.length > 0) throw notForced(found.operation.id);
  const outside = await outsideFor(system, releases);
  const left = await outsideLeft(system, releases, run);
  const ofFactory = await outsideFor(system, releases, "factory");
  const plan = planChange({
    stores: [
      ...stores.map((store) => switchBack(store, found.version, operation, release !== undefined)),
      ...(await outsideUndone(system, releases, outside, left, operation, run)),
    ],
    releases,
    saved: releases.flatMap(({ component }) =>
      savedStores(deployable(system, component), operation).filter(
        ({ slot }) => !stores.some(({ store }) => store.name === slot),
      ),
    ),
    components: withDependents(system, found.components).map(({ name }) => name),
    // A release that fails is followed by one that may not, and that has to be seen.
    down: releases.length === 0 ? down : [],
    leftStopped: force,
  });
  return { plan, release: releaseChange(releases, together(ofFactory, left, outside)) };
}

function switchBack(
  { store, component }: OpenStore,
  displaced: Version,
  operation: string,
  isOfRelease: boolean,
): StoreSwitch {
  const common = { slot: store.name, component, displaced: version(`before-${operation}`) };
  // It stays what can be undone to, so that the undo can be tried again.
  if (!isOfRelease) return { ...common, to: displaced, rejected: displaced, ready: true };
  // The copy stays as it is, whatever a release does to what is made of it.
  return {
    ...common,
    to: version(`${displaced}.${operation}`),
    copyOf: displaced,
    rejected: version(`rejected-${operation}`),
    ready: false,
  };
}

/** What was switched; and what was only copied, where the release could not read what is live. */
async function storesToUndo(
  system: System,
  { operation, stores }: SetAside,
  run: Run,
): Promise<readonly OpenStore[]> {
  const switched = new Set(switchedStores(operation));
  const { release } = operation.setup as OperationSetup;
  // Of what went back only data can be taken back further.
  if (release === undefined || operation.outcome !== "committed") return stores;
  if (release.from === undefined) {
    throw new AppError("REFUSED", `undo ${operation.id}: nothing was live before it`, {
      hint: "Deploy another release instead.",
    });
  }
  const component = deployable(system, release.component);
  const { verdict } = await compatibilityOf(component, version(release.from), run);
  if (verdict === "restore-required") return stores;
  return stores.filter(({ store }) => switched.has(store.name));
}

function refuseRenamed({ components }: System, { operation }: SetAside): void {
  const { release } = operation.setup as OperationSetup;
  if (release === undefined || components.some(({ name }) => name === release.component)) return;
  const { component } = release;
  throw new AppError(
    "NOT_FOUND",
    `undo ${operation.id}: there is no component ${component} any more`,
    {
      hint: `Was it renamed? Call it ${component} again in lastgood.yaml for as long as this takes.`,
    },
  );
}

/** Half an undo, or one of data that the application no longer uses, is none. */
function refuseChanged(system: System, { operation, stores }: SetAside): void {
  const switched = switchedStores(operation);
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
    if (same === undefined || same.store.where === store.where) continue;
    throw new AppError("REFUSED", `undo ${operation.id}: ${store.name} lies elsewhere by now`, {
      hint: `It was ${store.where}; now it is ${same.store.where}. Put the link or path back first.`,
    });
  }
}
