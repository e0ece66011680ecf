import { mkdir, realpath, writeFile } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere } from "../../base/errors.ts";
import { isFileStore, type FileStore } from "../../stores/store.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { type Component, settledConfig } from "../components.ts";
import { withDependents } from "../releases/target-of.ts";
import type { System } from "../system.ts";
import type { Trial } from "./inside.ts";
import { doorsIn } from "./doors.ts";
import {
  type Composed,
  composedMounts,
  isBelow,
  isHidden,
  isOwnName,
  type Mount,
  nearestFolder,
  ownAs,
} from "./world.ts";

/** Where a drill restores to and starts what it has restored. Nothing of it is live. */
export type DrillPlace = {
  readonly folder: string;
  /** Where a store's content is to be materialised. */
  readonly folderOf: (store: FileStore) => string;
  /** What the application sees there; `trial` is what is done with it. */
  readonly mounts: () => Promise<Mount[]>;
  readonly trial: Trial;
  /** What is not tried there, each with the reason. */
  readonly left: readonly string[];
  readonly timeoutMs: number;
};

/** Beyond what the components themselves may take. */
const SPARE_MS = 60_000;

/** Plans the place of a drill in `folder`, which is made. All stores have a place in it, restored or not. */
export async function drillPlace(
  system: System,
  stores: readonly FileStore[],
  folder: string,
): Promise<DrillPlace> {
  await mkdir(path.join(folder, "state"), { recursive: true, mode: 0o700 });
  const composed = await composedFolders(stores, path.join(folder, "world"));
  for (const { from } of composed.values()) await mkdir(from, { recursive: true, mode: 0o755 });
  const inOrder = withDependents(system, system.components).toReversed();
  const reasons = whyNotStarted(inOrder);
  const starts = inOrder.map(({ name }) => name).filter((name) => !reasons.has(name));
  const tried = inOrder.map((one) => triedConfig(one, starts));
  const trial: Trial = {
    components: tried.map(({ name, config }) => [name, config]),
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
    left: [
      ...[...reasons].map(([name, why]) => `${name}: ${why}`),
      ...tried.flatMap(({ unasked }) => unasked),
    ],
    timeoutMs: timeoutOf(trial),
    mounts: async () => await mountsOf(system, [...composed.values()], inOrder, folder),
  };
}

async function mountsOf(
  system: System,
  composed: readonly Composed[],
  components: readonly Component[],
  folder: string,
): Promise<Mount[]> {
  const shown = await shownFolders(system);
  const writable: Mount[] = [];
  for (const { config } of components) {
    for (const at of config.drill?.writable ?? []) writable.push(await writableAt(at, folder));
  }
  const made = await composedOf(composed);
  const own = [...made, ...writable].filter(({ kind }) => kind === "own").map(({ at }) => at);
  const looked = [...shown, ...made.map(({ at }) => at), ...runFolders(system)];
  const doors = await doorsIn([...new Set(looked)], new Set([system.paths.state]));
  // What is hidden and not shown again has no doors; in what is its own the live ones are not seen.
  const isSeen = (door: string): boolean =>
    (!isHidden(door) || [...shown, ...own].some((one) => isBelow(door, one))) &&
    !writable.some(({ at }) => isBelow(door, at)) &&
    !own.includes(path.dirname(door));
  return [
    ...shown.map((at): Mount => ({ kind: "read", at, from: at })),
    ...made,
    ...writable,
    ...doors.filter(isSeen).map((at): Mount => ({ kind: "read", at, from: "/dev/null" })),
    { kind: "own", at: folder, from: folder },
  ];
}

/** Asked one after the other, once all of them run. */
function timeoutOf({ components, starts }: Trial): number {
  return components.reduce((sum, [name, { run, verify, checks }]) => {
    const asked = Object.values(checks).map(
      ({ timeout, relation }) => relation?.timeout ?? timeout,
    );
    const start = starts.includes(name) ? (run?.["start-timeout"] ?? 0) + verify.deadline : 0;
    return sum + start + asked.reduce((all, one) => all + one, 0);
  }, SPARE_MS);
}

type Placed = Composed & { readonly below: string };

/** Stores in the same folder share one that is made anew. */
async function composedFolders(
  stores: readonly FileStore[],
  world: string,
): Promise<Map<FileStore, Placed>> {
  const placed = new Map<FileStore, Placed>();
  const numbers = new Map<string, number>();
  for (const store of stores) {
    const place = await store.place();
    const at = await nearestFolder(place.liveFolder);
    const below = path.relative(at, place.liveFolder);
    const [first] = below.split(path.sep);
    const number = numbers.get(at) ?? numbers.size;
    numbers.set(at, number);
    const from = path.join(world, String(number));
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

async function writableAt(named: string, folder: string): Promise<Mount> {
  const at = await realpath(named).catch(nothingThere);
  if (at === undefined || (await nearestFolder(at)) !== at) {
    throw new AppError("CONFIG_INVALID", `drill: writable: ${named} is no folder that is there`, {
      hint: "Make it, or take it out of drill.writable.",
    });
  }
  const from = path.join(folder, "writable", at);
  await mkdir(from, { recursive: true });
  await ownAs(at, from);
  return { kind: "own", at, from };
}

/** What lies where otherwise nothing is shown, and is needed: ourselves, and what the application is. */
async function shownFolders(system: System): Promise<string[]> {
  const own = path.resolve(import.meta.dirname, "../../..");
  const all = [own, path.dirname(process.execPath), ...runFolders(system)];
  const real = await Promise.all(all.map(async (one) => await realpath(one).catch(() => one)));
  return [...new Set(real.filter(isHidden))].toSorted((a, b) => a.length - b.length);
}

/** Where the application may look for a program that runs. */
function runFolders({ components, loaded }: System): string[] {
  return [
    path.dirname(loaded.file),
    ...components.flatMap(({ config, target }) => [
      ...(target === undefined ? [] : [target.root]),
      ...(config.run?.folder === undefined ? [] : [config.run.folder]),
      ...(config.drill?.run?.folder === undefined ? [] : [config.drill.run.folder]),
    ]),
  ];
}

/** Those that are not started, each with the reason; who depends on one of them cannot run either. */
function whyNotStarted(inOrder: readonly Component[]): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  for (const component of inOrder) {
    const { name, config } = component;
    const missing = config["depends-on"].find((other) => reasons.has(other));
    const why = missing === undefined ? ownReason(component) : `it depends on ${missing}`;
    if (why !== undefined) reasons.set(name, why);
  }
  return reasons;
}

function ownReason({ config, stores }: Component): string | undefined {
  const run = config.drill?.run ?? config.run;
  if (run === undefined) return "nothing says how it is started";
  if (run.process === undefined && run.command === undefined) {
    return "say how it is started apart: drill.run.process";
  }
  const server = stores.find(({ store }) => !isFileStore(store));
  return server === undefined ? undefined : `its ${server.store.kind} is a server outside`;
}

type TriedConfig = {
  readonly name: string;
  readonly config: Trial["components"][number][1];
  /** Checks that cannot be asked there; and that nothing is asked at all. */
  readonly unasked: readonly string[];
};

/** What is left of a component's configuration in a drill. */
function triedConfig(component: Component, starts: readonly string[]): TriedConfig {
  const { name } = component;
  const { drill, ...config } = settledConfig(component);
  const isStarted = starts.includes(name);
  const run = drill?.run ?? config.run;
  const all = Object.entries(config.checks);
  const asked = all.filter(([, one]) => isAsked(one, config, isStarted));
  const dropped = isStarted ? all.filter((one) => !asked.includes(one)) : [];
  const isChecked = asked.some(([, { need }]) => need === "required");
  const { target, ...others } = config;
  return {
    name,
    config: {
      ...others,
      ...(isStarted && run !== undefined ? { run } : { run: undefined }),
      ...(target?.folder === undefined ? {} : { target }),
      checks: Object.fromEntries(asked),
    },
    unasked: [
      ...dropped.map(([check]) => `${name}: check ${check} cannot be asked there`),
      ...(isStarted && !isChecked ? [`${name}: no required check was asked`] : []),
    ],
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
