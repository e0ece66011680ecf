import path from "node:path";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Progress } from "../../journal/journal.ts";
import { isReady, readyFolder } from "../../slots/place.ts";
import { version, type Version } from "../../slots/slot.ts";
import { describeRows } from "../../stores/sqlite.ts";
import { countLiveRows, inspectDatabase } from "../../stores/sqlite-file.ts";
import type { OperationSetup } from "../begin.ts";
import { describePoint, listPoints } from "../points/catalogue.ts";
import { findPoint } from "../points/point.ts";
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
  const aside = left === undefined ? undefined : await copyOf(component, left.operation);
  if (aside !== undefined) return aside;
  const points = await listPoints(system, run).catch((error: unknown) => {
    // Without a repository there are none.
    if (hasCode(error, "NOT_FOUND")) return [];
    throw error;
  });
  const names = component.stores.map(({ store }) => store.name);
  const fitting = points.findLast(
    ({ valid, isSafety, stores, snapshot, releases }) =>
      valid &&
      !isSafety &&
      names.every((name) => stores.includes(name)) &&
      (releases[component.name] ?? liveAt(changes, snapshot.time)) === release,
  );
  if (fitting === undefined) return undefined;
  return { version: fitting.stamp, isAside: false, at: fitting.snapshot.time, stores: names };
}

/** What is live now and would not be afterwards, by store, for people. */
export async function lossOf(
  system: System,
  { stores }: Deployable,
  { version: name, isAside, stores: chosen }: DataBack,
  run: Run,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const loss: Record<string, readonly string[]> = {};
  const point = isAside ? undefined : findPoint(await listPoints(system, run), name);
  const repository = point && (await system.repository(run));
  const description = point && (await describePoint(repository!, point, run));
  for (const { store, config } of stores.filter((open) => chosen.includes(open.store.name))) {
    if (config.sqlite === undefined) {
      loss[store.name] = ["what was written since"];
      continue;
    }
    const folder = readyFolder(await store.place(), version(name));
    const file = path.join(folder, path.basename(store.livePath));
    const then = description?.stores[store.name]?.facts?.rows ?? inspectDatabase(file).rows;
    const live = countLiveRows(store.livePath);
    loss[store.name] =
      live === undefined ? ["unknown: the live database cannot be read"] : describeRows(live, then);
  }
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
): Promise<DataBack | undefined> {
  const name = version(`before-${id}`);
  const names: string[] = [];
  // A store that was configured later has none, and stays as it is.
  for (const { store } of stores) {
    if (await isReady(await store.place(), name)) names.push(store.name);
  }
  if (names.length === 0) return undefined;
  return { version: name, isAside: true, at: started, stores: names };
}
