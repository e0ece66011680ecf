import path from "node:path";
import { mountsInside } from "../base/mounts.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { whyUnfit } from "../stores/server-version.ts";
import { isFileStore } from "../stores/store.ts";
import { type Component, type OpenStore } from "./components.ts";
import { configuredPath } from "./open/store.ts";
import { partOfPoint } from "./part.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import { findPoint, type Point, type PointDescription } from "./points/point.ts";
import { type Selection, selectStores, type System } from "./system.ts";

export type RestoreOptions = Selection & {
  /** The absolute path of a single file or folder, in a folder store or among `files:`. */
  readonly file?: string | undefined;
  readonly reason: string;
  readonly force: boolean;
};

/** What a restore is about, once everything that was asked for has been found. */
export type Prepared = {
  readonly point: Point;
  readonly description: PointDescription;
  readonly components: readonly Component[];
  readonly stores: readonly OpenStore[];
  /** Stores that the point has nothing of. */
  readonly stale: readonly string[];
  /** Those of them that are made anew. */
  readonly rebuilds: readonly OpenStore[];
};

/** Finds the point and what is to be restored of it. USAGE, NOT_FOUND, POINT_INVALID, REFUSED. */
export async function prepareRestore(
  system: System,
  named: string,
  options: RestoreOptions,
  run: Run,
): Promise<Prepared> {
  if (options.file !== undefined && (options.component ?? options.store) !== undefined) {
    throw new AppError("USAGE", "restore: --file says by itself where the file belongs", {
      hint: "Leave --component and --store out.",
    });
  }
  const point = findPoint(await listPoints(system, run), named);
  const description = await describePoint(await system.repository(run), point, run);
  if (!point.valid) {
    const why = description.errors.join(", ");
    throw new AppError("POINT_INVALID", `restore ${point.stamp}: it is invalid: ${why}`, {
      hint: "Choose a valid one: lastgood points",
    });
  }
  if (point.drill === "failed") {
    const message = `${point.stamp}: the last drill with it failed: lastgood drill list`;
    run.report({ type: "warning", message });
  }
  if (options.file !== undefined) {
    const part = await partOfPoint(system, point, description, path.resolve(options.file), run);
    for (const { store } of part.stores) await refuseMountsInside(store);
    return { point, stale: [], rebuilds: [], ...part };
  }
  const wanted = selectStores(system, options);
  tellUnconfigured(system, point, options, run);
  const has = ({ store }: OpenStore): boolean => point.stores.includes(store.name);
  const stores = wanted.filter(has);
  if (stores.length === 0) {
    throw new AppError("NOT_FOUND", `restore ${point.stamp}: it has nothing of these stores`, {
      hint: `It has: ${point.stores.join(", ")}`,
    });
  }
  refuseOtherLayout(stores, description, options);
  if (!options.force) await refuseOtherServers(stores, description, run);
  for (const { store } of stores) await refuseMountsInside(store);
  const stale = [
    ...wanted.filter((store) => !has(store)),
    ...derivedFrom(stores, system).filter((store) => !wanted.includes(store)),
  ];
  const rebuilds = inOrder(stale.filter(({ config }) => config.rebuild !== undefined));
  const names = new Set([...stores, ...rebuilds].map(({ component }) => component));
  return {
    point,
    description,
    components: system.components.filter(({ name }) => names.has(name)),
    stores,
    stale: stale.map(({ store }) => store.name),
    rebuilds,
  };
}

/** What the point has and the configuration has not, or under another name, does not come back. */
function tellUnconfigured(
  { components }: System,
  { stamp, stores }: Point,
  { component, store }: RestoreOptions,
  run: Run,
): void {
  if (store !== undefined) return;
  const known = new Set(components.flatMap((one) => one.stores.map(nameOf)));
  const asked = stores.filter(
    (name) => component === undefined || name.startsWith(`${component}/`),
  );
  for (const name of asked.filter((one) => !known.has(one))) {
    const message = `${name} of ${stamp} is in no component of the configuration: it does not come back`;
    run.report({ type: "warning", message });
  }
}

const nameOf = ({ store }: OpenStore): string => store.name;
const sourceOf = ({ component, config }: OpenStore): string =>
  `${component}/${config["derived-from"]}`;

/** What is made of stores that change, and of what is made of those. */
function derivedFrom(stores: readonly OpenStore[], { components }: System): OpenStore[] {
  const all = components.flatMap((component) => component.stores);
  const changed = new Set(stores.map(nameOf));
  const found: OpenStore[] = [];
  for (let before = -1; before !== found.length;) {
    before = found.length;
    for (const one of all) {
      if (changed.has(nameOf(one)) || !changed.has(sourceOf(one))) continue;
      changed.add(nameOf(one));
      found.push(one);
    }
  }
  return found;
}

/** Each after what it is made of. */
function inOrder(stores: readonly OpenStore[]): OpenStore[] {
  const ordered: OpenStore[] = [];
  const add = (one: OpenStore): void => {
    if (ordered.includes(one)) return;
    const source = stores.find((other) => nameOf(other) === sourceOf(one));
    if (source !== undefined && source !== one) add(source);
    ordered.push(one);
  };
  for (const one of stores) add(one);
  return ordered;
}

/** It would go aside with the old folder, mount and all, and the new data lie below it. */
async function refuseMountsInside(store: OpenStore["store"]): Promise<void> {
  if (!isFileStore(store)) return;
  const { name, livePath } = store;
  const [mount] = await mountsInside(livePath);
  if (mount === undefined) return;
  throw new AppError("REFUSED", `restore ${name}: ${mount} in it is a mount point`, {
    hint: "Unmount it for the restore, or make it a store of its own beside this one.",
  });
}

/** Looked at before anything is begun: half a dump in an older server helps nobody. */
async function refuseOtherServers(
  stores: readonly OpenStore[],
  { stores: then }: PointDescription,
  run: Run,
): Promise<void> {
  for (const { store } of stores) {
    const from = then[store.name]?.facts?.about?.["server"];
    if (typeof from !== "string") continue;
    // One that does not answer is told when it is needed.
    const here = await store.server?.(run).catch(() => undefined);
    run.signal.throwIfAborted();
    const why = here === undefined ? undefined : whyUnfit(store.kind, from, here);
    if (why === undefined) continue;
    throw new AppError("REFUSED", `restore ${store.name}: ${why}`, {
      hint: "Bring the server to that version first. If it is meant to be: --force",
    });
  }
}

/** A point that was taken of other paths is probably of another deployment. */
function refuseOtherLayout(
  stores: readonly OpenStore[],
  description: PointDescription,
  { force }: RestoreOptions,
): void {
  if (force) return;
  for (const { store, config } of stores) {
    const then = description.stores[store.name]!;
    const now = configuredPath(config);
    if (then.kind === store.kind && then.path === now) continue;
    const was = `${then.kind} ${then.path}`;
    throw new AppError("REFUSED", `restore ${store.name}: the point has it as ${was}`, {
      hint: `It is ${store.kind} ${now} now. If that is meant to be: --force`,
    });
  }
}
