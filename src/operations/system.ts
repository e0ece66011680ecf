import { mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { isReadOnly } from "../base/fs.ts";
import { hostFacts } from "../base/host.ts";
import { once } from "../base/once.ts";
import type { Loaded } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { readSecret } from "../config/secrets.ts";
import { Journal } from "../journal/journal.ts";
import { isFileStore } from "../stores/store.ts";
import { openBackend, type RepositoryConfig } from "./open/backend.ts";
import type { LockLedger, Repository } from "../repository/repository.ts";
import { type Component, openComponents, type OpenStore, type Surroundings } from "./components.ts";
import { damageAt } from "./damage-ledger.ts";
import { folderLedger } from "./lock-ledger.ts";

/** What an operation is given besides its own options. */
export type Host = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
};

/** The system of one lastgood.yaml, opened. */
export type System = Disposable & {
  readonly name: string;
  readonly config: Config;
  readonly loaded: Loaded;
  readonly host: Host;
  readonly journal: Journal;
  readonly components: readonly Component[];
  readonly paths: StatePaths;
  /** Opened once, when it is first needed. */
  repository(run: Run): Promise<Repository>;
  /** Says, before it is opened, that much will be read from the repository or written to it. */
  expectWork(): void;
};

export type StatePaths = {
  readonly state: string;
  readonly journal: string;
  readonly locks: string;
  readonly temporary: string;
  readonly catalogue: string;
};

/** What lies where in the state folder. */
export function pathsIn(state: string): StatePaths {
  return {
    state,
    journal: path.join(state, "journal.db"),
    locks: path.join(state, "locks"),
    temporary: path.join(state, "tmp"),
    catalogue: path.join(state, "catalogue.json"),
  };
}

/** Where the state cannot be written what is there must still be saved and proven: that needs some place. */
function pathsFor(state: string): StatePaths & Disposable {
  const paths = pathsIn(state);
  if (!isReadOnly(state)) return { ...paths, [Symbol.dispose]: () => {} };
  const temporary = mkdtempSync(path.join(os.tmpdir(), "lastgood-"));
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  return { ...paths, temporary, [Symbol.dispose]: remove };
}

/** What only shows once it is opened. CONFIG_INVALID. */
export async function checkComponents(loaded: Loaded, host: Host): Promise<void> {
  const paths = pathsIn(loaded.config.state);
  await openChecked(loaded.config, surroundingsOf({ loaded, paths, host }));
}

async function openChecked(config: Config, around: Surroundings): Promise<Component[]> {
  const components = await openComponents(config.components, around);
  refuseOverlap(
    config,
    components.flatMap(({ stores }) => stores),
  );
  return components;
}

export async function openSystem(loaded: Loaded, host: Host): Promise<System> {
  const { config } = loaded;
  const { state } = config;
  using undone = new DisposableStack();
  const paths = undone.use(pathsFor(state));
  const around = surroundingsOf({ loaded, paths, host });
  const components = await openChecked(config, around);
  const journal = undone.use(new Journal(paths.journal));
  const opened = undone.move();
  let isForWork = false;
  return {
    name: config.system,
    config,
    loaded,
    host,
    journal,
    components,
    paths,
    repository: once((run) => openRepositoryAt(config.repository, { state, isForWork }, host, run)),
    expectWork: () => void (isForWork = true),
    [Symbol.dispose]: () => opened.dispose(),
  };
}

/** What an operation's components are opened with, whatever configuration they come from. */
export function surroundingsOf({
  loaded,
  paths,
  host,
}: Pick<System, "loaded" | "paths" | "host">): Surroundings {
  const { clock, env } = host;
  const { state, temporary } = paths;
  const folder = path.dirname(loaded.file);
  return { folder, state, temporary, clock, env, dockerHost: loaded.config["docker-host"] };
}

/** Has `work` use a system whose state is thrown away, as there is none yet where it only looks. */
export async function withScratchState<T>(
  loaded: Loaded,
  host: Host,
  work: (system: System) => Promise<T>,
): Promise<T> {
  const state = await mkdtemp(path.join(os.tmpdir(), "lastgood-"));
  try {
    using system = await openSystem({ ...loaded, config: { ...loaded.config, state } }, host);
    return await work(system);
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

/** Opens a repository that the configuration names. Without state no lock of ours is remembered, and no damage. */
export async function openRepositoryAt(
  config: RepositoryConfig,
  {
    state,
    isForWork = false,
  }: { readonly state?: string | undefined; readonly isForWork?: boolean },
  { env, clock }: Host,
  run: Run,
): Promise<Repository> {
  const { openRepository } = await import("../repository/repository.ts");
  const ledger = (id: string): LockLedger =>
    folderLedger(path.join(state ?? "", "repository-locks", id), hostFacts(), clock);
  const backend = await openBackend(config, state, env, run);
  const known = state === undefined ? {} : { ledger, damage: damageAt(state, config.at) };
  const options = { isForWork, ...known };
  return await openRepository(backend, await readSecret(config.password, env, run), options, run);
}

/** A store that contained the state, the repository or another store would swallow it. */
function refuseOverlap(config: Config, all: readonly OpenStore[]): void {
  const stores = all.map(({ store }) => store).filter(isFileStore);
  const others = [
    { what: "the state", path: config.state },
    { what: "the repository", path: config.repository.at },
  ];
  for (const [index, store] of stores.entries()) {
    const rest = stores
      .filter((_, i) => i !== index)
      .map((other) => ({ what: `store ${other.name}`, path: other.livePath }));
    const inside = [...others, ...rest].find((other) => contains(store.livePath, other.path));
    if (inside === undefined) continue;
    if (inside.path === store.livePath) {
      throw new AppError("CONFIG_INVALID", `store ${store.name}: it is ${inside.what} too`, {
        hint: "Name each file and folder once.",
      });
    }
    throw new AppError("CONFIG_INVALID", `store ${store.name}: it contains ${inside.what}`, {
      hint: `Move ${inside.path} out of ${store.livePath}, or name smaller folders.`,
    });
  }
}

function contains(folder: string, other: string): boolean {
  const relative = path.relative(folder, other);
  const isOutside = relative === ".." || relative.startsWith("../") || path.isAbsolute(relative);
  return !isOutside;
}

export type Selection = {
  readonly component?: string | undefined;
  readonly store?: string | undefined;
};

/** The stores that flags choose; all when they name none. NOT_FOUND. */
export function selectStores(system: System, { component, store }: Selection): OpenStore[] {
  const all = system.components.flatMap(({ stores }) => stores);
  const chosen = all.filter(
    (open) =>
      (component === undefined || open.component === component) &&
      (store === undefined || open.store.name === store || open.store.name.endsWith(`/${store}`)),
  );
  if (chosen.length > 0 || (component === undefined && store === undefined)) return chosen;
  const known = all.map((open) => open.store.name).join(", ");
  const asked = [
    ...(component === undefined ? [] : [`component ${component}`]),
    ...(store === undefined ? [] : [`store ${store}`]),
  ];
  throw new AppError("NOT_FOUND", `choose ${asked.join(", ")}: there is none`, {
    hint: `The stores are: ${known}`,
  });
}
