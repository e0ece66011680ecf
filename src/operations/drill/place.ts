import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { isFileStore, type FileStore } from "../../stores/store.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { type Component, type ComponentsConfig, settledConfig } from "../components.ts";
import { withDependents } from "../releases/target-of.ts";
import type { System } from "../system.ts";
import type { Trial } from "./inside.ts";
import {
  type Composed,
  composedMounts,
  isHidden,
  isOwnName,
  listeningSockets,
  type Mount,
  nearestFolder,
} from "./world.ts";

/** Where a drill restores to and starts what it has restored. Nothing of it is live. */
export type DrillPlace = {
  readonly folder: string;
  /** Where a store's content is to be materialised. */
  readonly folderOf: (store: FileStore) => string;
  /** What the application sees there; `trial` is what is done with it. */
  readonly mounts: () => Promise<Mount[]>;
  readonly trial: Trial;
  /** Components that are not started there, each with the reason. */
  readonly left: readonly string[];
};

/** Plans the place of a drill in `folder`, which is made. */
export async function drillPlace(
  system: System,
  stores: readonly FileStore[],
  folder: string,
): Promise<DrillPlace> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(path.join(folder, "state"), { recursive: true, mode: 0o700 });
  const composed = await composedFolders(stores, path.join(folder, "world"));
  for (const { from } of composed.values()) await mkdir(from, { recursive: true, mode: 0o755 });
  const inOrder = withDependents(system, system.components).toReversed();
  const reasons = new Map(inOrder.map((one) => [one.name, whyNotStarted(one)]));
  const starts = inOrder.map(({ name }) => name).filter((name) => reasons.get(name) === undefined);
  const writable = inOrder.flatMap(({ config }) => config.drill?.writable ?? []);
  const trial: Trial = {
    components: Object.fromEntries(inOrder.map((one) => [one.name, triedConfig(one, starts)])),
    starts,
    folder: path.dirname(system.loaded.file),
    state: path.join(folder, "state"),
  };
  await writeFile(path.join(folder, "trial.json"), JSON.stringify(trial), { mode: 0o600 });
  return {
    folder,
    folderOf: (store) => {
      const { from, below } = composed.get(store)!;
      return path.join(from, below);
    },
    trial,
    left: [...reasons].flatMap(([name, why]) => (why === undefined ? [] : [`${name}: ${why}`])),
    async mounts() {
      return [
        ...shownFolders(system).map((at): Mount => ({ kind: "read", at, from: at })),
        ...(await composedOf([...composed.values()])),
        ...(await Promise.all(writable.map(async (at) => await writableAt(at, folder)))),
        ...(await listeningSockets()).map((at): Mount => ({ kind: "read", at, from: "/dev/null" })),
        { kind: "own", at: folder, from: folder },
      ];
    },
  };
}

type Placed = Composed & { readonly below: string };

/** Stores in the same folder share one that is made anew. */
async function composedFolders(
  stores: readonly FileStore[],
  world: string,
): Promise<Map<FileStore, Placed>> {
  const placed = new Map<FileStore, Placed>();
  for (const store of stores) {
    const place = await store.place();
    const at = await nearestFolder(place.liveFolder);
    const below = path.relative(at, place.liveFolder);
    const [first] = below.split(path.sep);
    const from = path.join(world, at.replaceAll("_", "__").replaceAll(path.sep, "_"));
    const isOwn = (name: string): boolean =>
      below === "" ? isOwnName(place, name) : name === first;
    placed.set(store, { at, from, below, isOwn });
  }
  return placed;
}

/** Outer folders first, so that what lies in them can be laid over. */
async function composedOf(all: readonly Composed[]): Promise<Mount[]> {
  const folders = [...new Set(all.map(({ at }) => at))].toSorted((a, b) => a.length - b.length);
  const mounts: Mount[] = [];
  for (const at of folders) {
    const here = all.filter((one) => one.at === at);
    const isOwn = (name: string): boolean => here.some((one) => one.isOwn(name));
    mounts.push(...(await composedMounts({ at, from: here[0]!.from, isOwn })));
  }
  return mounts;
}

async function writableAt(at: string, folder: string): Promise<Mount> {
  if ((await nearestFolder(at)) !== at) {
    throw new AppError("CONFIG_INVALID", `drill: writable: ${at} is no folder that is there`, {
      hint: "Make it, or take it out of drill.writable.",
    });
  }
  const from = path.join(folder, "writable", at);
  await mkdir(from, { recursive: true, mode: 0o777 });
  return { kind: "own", at, from };
}

/** What lies where otherwise nothing is shown, and is needed: ourselves, and what the application is. */
function shownFolders({ components, loaded }: System): string[] {
  const own = path.resolve(import.meta.dirname, "../../..");
  const all = [
    own,
    path.dirname(process.execPath),
    path.dirname(loaded.file),
    ...components.flatMap(({ config, target }) => [
      ...(target === undefined ? [] : [target.root]),
      ...(config.run?.folder === undefined ? [] : [config.run.folder]),
      ...(config.drill?.run?.folder === undefined ? [] : [config.drill.run.folder]),
    ]),
  ];
  return [...new Set(all.filter(isHidden))].toSorted((a, b) => a.length - b.length);
}

/** Undefined: it is started. */
function whyNotStarted({ config, stores }: Component): string | undefined {
  const run = config.drill?.run ?? config.run;
  if (run === undefined) return "nothing says how it is started";
  if (run.process === undefined && run.command === undefined) {
    return "say how it is started apart: drill.run.process";
  }
  const server = stores.find(({ store }) => !isFileStore(store));
  return server === undefined ? undefined : `its ${server.store.kind} is a server outside`;
}

/** What is left of a component's configuration in a drill. */
function triedConfig(component: Component, starts: readonly string[]): ComponentsConfig[string] {
  const { drill, ...config } = settledConfig(component);
  const isStarted = starts.includes(component.name);
  const run = drill?.run ?? config.run;
  const checks = Object.entries(config.checks).filter(([, one]) => isAsked(one, config, isStarted));
  const { target, ...others } = config;
  return {
    ...others,
    ...(isStarted && run !== undefined ? { run } : { run: undefined }),
    ...(target?.folder === undefined ? {} : { target }),
    checks: Object.fromEntries(checks),
  };
}

/** Those that only look at data that are there can be asked without the application. */
function isAsked(
  { sql, relation, log }: ComponentConfig["checks"][string],
  { stores }: Pick<ComponentConfig, "stores">,
  isStarted: boolean,
): boolean {
  const isFile = (name: string | undefined): boolean => {
    const store = name === undefined ? undefined : stores[name];
    return store?.sqlite !== undefined || store?.folder !== undefined;
  };
  if (sql !== undefined) return isFile(sql.store);
  if (relation !== undefined) return isFile(relation.rows) && isFile(relation.objects);
  return isStarted && log?.unit === undefined;
}
