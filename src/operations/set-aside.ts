import { realEffects } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import type { Progress } from "../journal/journal.ts";
import { discardVersion, isReady } from "../slots/place.ts";
import { version, type Version } from "../slots/slot.ts";
import { type Component, openComponents, type OpenStore } from "./components.ts";
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
 * may have changed since.
 */
export async function listSetAside(system: System): Promise<SetAside[]> {
  const opened = new Map<string, Promise<Component[]>>();
  const found: SetAside[] = [];
  for (const operation of system.journal.switches()) {
    const { components: configs } = operation.setup as OperationSetup;
    const key = JSON.stringify(configs);
    if (!opened.has(key)) opened.set(key, openComponents(configs, surroundingsOf(system)));
    const components = (await opened.get(key))!;
    for (const word of WORDS) {
      const name = version(`${word}-${operation.id}`);
      const stores = await storesThatHave(name, components);
      if (stores.length === 0) continue;
      found.push({ operation, word, version: name, components, stores });
    }
  }
  return found;
}

async function storesThatHave(
  name: Version,
  components: readonly Component[],
): Promise<OpenStore[]> {
  const stores: OpenStore[] = [];
  for (const open of components.flatMap((component) => component.stores)) {
    if (await isReady(await open.store.place(), name)) stores.push(open);
  }
  return stores;
}

/**
 * Ends the possibility to undo an operation, and frees what it set aside. One that is not ended
 * needs it still: LOCKED, NEEDS_HUMAN.
 */
export async function keep(system: System, named: string | undefined): Promise<{ kept: string }> {
  return await keepOne(system, await listSetAside(system), named);
}

async function keepOne(
  system: System,
  all: readonly SetAside[],
  named: string | undefined,
): Promise<{ kept: string }> {
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
  for (const { stores, version: name } of aside) {
    for (const { store } of stores) await discardVersion(await store.place(), name, realEffects);
  }
  return { kept: first.operation.id };
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

/** Frees what has been kept for undoing longer than the configuration says. */
export async function expireSetAside(system: System): Promise<void> {
  const oldest = system.host.clock.now().getTime() - system.config["undo-for"];
  const all = await listSetAside(system);
  const ids = new Set(
    all
      .map(({ operation }) => operation)
      .filter(({ outcome }) => outcome !== undefined && outcome !== "needs-human")
      .filter(({ started }) => Date.parse(started) < oldest)
      .map(({ id }) => id),
  );
  for (const id of ids) await keepOne(system, all, id);
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
