import { realEffects } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Progress } from "../journal/journal.ts";
import { readyFolder } from "../slots/place.ts";
import { version, type Version } from "../slots/slot.ts";
import { isFileStore } from "../stores/store.ts";
import { versionsOf } from "../stores/versions.ts";
import { type Component, openComponentsOf, type OpenStore } from "./components.ts";
import { lockComponents } from "./operation-lock.ts";
import type { OperationSetup, ReleaseChange } from "./begin.ts";
import { surroundingsOf, type System } from "./system.ts";

/** What an operation moved aside, as it lies beside the live data. */
export type SetAside = {
  readonly operation: Progress;
  /** `before-…` is what was live; `rejected-…` what was live until it went back. */
  readonly word: "before" | "rejected";
  readonly version: Version;
  readonly components: readonly Component[];
  readonly stores: readonly OpenStore[];
};

const WORDS = ["before", "rejected"] as const;

/**
 * All that lies aside, newest operation first. Slots are those of the journal: the configuration
 * may have changed since. What a server has that does not answer is not known: that is told.
 */
export async function listSetAside(system: System, run: Run): Promise<SetAside[]> {
  const operations = system.journal.switches();
  // Mostly all have the same configuration: it is opened once.
  const keys = operations.map(({ setup }) => JSON.stringify((setup as OperationSetup).components));
  const opened = new Map<string, Opened>();
  for (const key of new Set(keys)) {
    const configs = JSON.parse(key) as OperationSetup["components"];
    const now = system.config.components;
    const components = await openComponentsOf(configs, now, surroundingsOf(system));
    const same = operations.filter((_, at) => keys[at] === key);
    opened.set(key, { components, ready: await readyOf(components, same, run) });
  }
  return operations.flatMap((operation, at) => {
    const { components, ready } = opened.get(keys[at]!)!;
    return WORDS.flatMap((word): SetAside[] => {
      const name = version(`${word}-${operation.id}`);
      const stores = [...ready].flatMap(([store, versions]) => (versions.has(name) ? [store] : []));
      return stores.length === 0 ? [] : [{ operation, word, version: name, components, stores }];
    });
  });
}

type Opened = {
  readonly components: readonly Component[];
  readonly ready: ReadonlyMap<OpenStore, ReadonlySet<Version>>;
};

async function readyOf(
  components: readonly Component[],
  operations: readonly Progress[],
  run: Run,
): Promise<Opened["ready"]> {
  const names = operations.flatMap(({ id }) => WORDS.map((word) => version(`${word}-${id}`)));
  const ready = new Map<OpenStore, ReadonlySet<Version>>();
  for (const open of components.flatMap((component) => component.stores)) {
    try {
      ready.set(open, await versionsOf(open.store, realEffects).readyAmong(names, run));
    } catch (error) {
      run.signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      const message = `what ${open.store.name} has aside is not known: ${error.message}`;
      run.report({ type: "warning", message });
    }
  }
  return ready;
}

/**
 * Ends the possibility to undo an operation, and frees what it set aside. One that is not ended
 * needs it still: LOCKED, NEEDS_HUMAN.
 */
export async function keep(
  system: System,
  named: string | undefined,
  run: Run,
): Promise<{ kept: string }> {
  const all = await listSetAside(system, run);
  // What an application wrote on data that were given up is in no other copy: it has to be named.
  const id = named ?? all.find(({ word }) => word === "before")?.operation.id;
  const aside = all.filter(({ operation }) => operation.id === id);
  const [first] = aside;
  if (first === undefined) throw nothingTo("keep", named);
  using _lock = lockComponents(
    system.paths.locks,
    first.components.map(({ name }) => name),
  );
  const { outcome } = system.journal.read(first.operation.id);
  refuseUnsettled(first.operation.id, outcome, named);
  for (const one of aside) await discardAside(one, run);
  return { kept: first.operation.id };
}

/** Where on this machine's disks it lies. */
export async function foldersOf({ stores, version: name }: SetAside): Promise<string[]> {
  const local = stores.map(({ store }) => store).filter(isFileStore);
  return await Promise.all(local.map(async (store) => readyFolder(await store.place(), name)));
}

/** Frees what lies aside; the components have to be locked. */
export async function discardAside({ stores, version: name }: SetAside, run: Run): Promise<void> {
  for (const { store } of stores) await versionsOf(store, realEffects).discard(name, run);
}

function refuseUnsettled(
  id: string,
  outcome: Progress["outcome"],
  named: string | undefined,
): void {
  // Whoever names it has looked at it; what is newest is chosen without a look.
  if (outcome !== undefined && (outcome !== "needs-human" || named !== undefined)) return;
  const problem = outcome === undefined ? "was interrupted and is not ended" : "needs you";
  throw new AppError("NEEDS_HUMAN", `keep ${id}: it ${problem}`, {
    hint:
      outcome === undefined
        ? "What it set aside is the way back. End it first: lastgood recover"
        : `What it set aside may be all there is. If you are sure: lastgood keep ${id}`,
  });
}

/**
 * The copies that were made before earlier changes of a component's release, to be freed once another
 * is committed: the data went on from them, and only the newest is near enough to be gone back to.
 * What was switched away is nowhere else, and stays.
 */
export function supersededCopies(
  aside: readonly SetAside[],
  component: string,
): { slot: string; version: Version }[] {
  return aside
    .filter(({ operation, word }) => word === "before" && operation.outcome === "committed")
    .filter(({ operation }) => releaseOf(operation)?.component === component)
    .flatMap(({ operation, stores, version: name }) => {
      const switched = new Set(switchedStores(operation));
      const copied = stores.filter(({ store }) => !switched.has(store.name));
      return copied.map(({ store }) => ({ slot: store.name, version: name }));
    });
}

/** Releases that what lies aside was switched away with. */
export function neededForUndo(aside: readonly SetAside[], component: string): Version[] {
  return aside.flatMap(({ operation, word }) => {
    const release = releaseOf(operation);
    const isSwitched = switchedStores(operation).length > 0;
    if (word !== "before" || release?.component !== component || !isSwitched) return [];
    return release.from === undefined ? [] : [version(release.from)];
  });
}

function releaseOf({ setup }: Progress): ReleaseChange | undefined {
  return (setup as OperationSetup).release;
}

/** The stores of which an operation made another version live. */
export function switchedStores({ plan }: Progress): string[] {
  return plan.steps.flatMap((step) =>
    // A release has the name of its component; what lies outside of it has a colon before a slash.
    step.act === "active" && /^[^:/]+\//.test(step.slot) ? [step.slot] : [],
  );
}

export function nothingTo(verb: string, named: string | undefined): AppError {
  const what = named === undefined ? "" : ` ${named}`;
  return new AppError("NOT_FOUND", `${verb}${what}: there is nothing to ${verb}`, {
    hint: "See what has been done: lastgood history",
  });
}
