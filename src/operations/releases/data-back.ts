import { realEffects } from "../../base/effects.ts";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Progress } from "../../journal/journal.ts";
import { version, type Version } from "../../slots/slot.ts";
import { versionsOf } from "../../stores/versions.ts";
import type { OperationSetup } from "../begin.ts";
import { describePoint, listPoints } from "../points/catalogue.ts";
import { findPoint, storePath } from "../points/point.ts";
import type { System } from "../system.ts";
import type { Deployable } from "./target-of.ts";

/** Data with which a release ran. */
export type DataBack = {
  /** A point's stamp, or the name of a copy that lies beside the live data. */
  readonly version: string;
  readonly isAside: boolean;
  readonly at: string;
  readonly stores: readonly string[];
};

/**
 * The newest data with which a release ran: the copy that was saved when it was left, which is
 * there at once; else the newest valid point from while it was live. Undefined: there are none.
 */
export async function dataFor(
  system: System,
  component: Deployable,
  release: Version,
  run: Run,
): Promise<DataBack | undefined> {
  const changes = changesOf(system, component.name);
  const left = changes.find(({ from }) => from === release);
  const aside = left === undefined ? undefined : await copyOf(component, left.operation, run);
  if (aside !== undefined) return aside;
  const points = await listPoints(system, run).catch((error: unknown) => {
    // Without a repository there are none.
    if (hasCode(error, "NOT_FOUND")) return [];
    throw error;
  });
  const names = component.stores.map(({ store }) => store.name);
  // What is copied on request only, or can be made again, need not be in it.
  const needed = component.stores
    .filter(({ config }) => config.include === "always" && config.rebuild === undefined)
    .map(({ store }) => store.name);
  const fitting = points.findLast(
    ({ valid, isSafety, stores, snapshot, releases }) =>
      valid &&
      !isSafety &&
      stores.some((name) => names.includes(name)) &&
      needed.every((name) => stores.includes(name)) &&
      (releases[component.name] ?? liveAt(changes, snapshot.time)) === release,
  );
  if (fitting === undefined) return undefined;
  const stores = names.filter((name) => fitting.stores.includes(name));
  return { version: fitting.stamp, isAside: false, at: fitting.snapshot.time, stores };
}

/** What is live now and would not be afterwards, by store, for people. */
export async function lossOf(
  system: System,
  { stores }: Deployable,
  { version: name, isAside, stores: chosen }: DataBack,
  run: Run,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const loss: Record<string, readonly string[]> = {};
  const wanted = stores.filter((open) => chosen.includes(open.store.name));
  if (isAside) {
    for (const { store } of wanted) {
      const lines = await store.lossAgainst?.(version(name), run);
      loss[store.name] = lines ?? ["what was written since"];
    }
    return loss;
  }
  const point = findPoint(await listPoints(system, run), name);
  const repository = await system.repository(run);
  const description = await describePoint(repository, point, run);
  await repository.read(point.snapshot, run, async (reader, inner) => {
    for (const { store } of wanted) {
      const { facts } = description.stores[store.name] ?? {};
      loss[store.name] = await store.loss(reader, storePath(store.name), facts, inner);
    }
  });
  return loss;
}

type ReleaseChanged = {
  readonly operation: Progress;
  readonly from: string | undefined;
  readonly to: string;
};

/** How the live release of a component changed, newest first. */
function changesOf({ journal }: System, component: string): ReleaseChanged[] {
  return journal.releaseChanges().flatMap((operation) => {
    const { release } = operation.setup as OperationSetup;
    if (release?.component !== component || operation.outcome !== "committed") return [];
    return [{ operation, from: release.from, to: release.to }];
  });
}

function liveAt(changes: readonly ReleaseChanged[], time: string): string | undefined {
  const at = Date.parse(time);
  const before = changes.find(({ operation }) => Date.parse(operation.ended ?? "") <= at);
  if (before !== undefined) return before.to;
  return changes.at(-1)?.from;
}

async function copyOf(
  { stores }: Deployable,
  { id, started }: Progress,
  run: Run,
): Promise<DataBack | undefined> {
  const name = version(`before-${id}`);
  const names: string[] = [];
  // A store that was configured later has none, and stays as it is.
  for (const { store } of stores) {
    if (await versionsOf(store, realEffects).isReady(name, run)) names.push(store.name);
  }
  if (names.length === 0) return undefined;
  return { version: name, isAside: true, at: started, stores: names };
}
