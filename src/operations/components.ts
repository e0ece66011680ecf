import path from "node:path";
import type { Clock } from "../base/clock.ts";
import { type Effects, realEffects } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Check } from "../checks/check.ts";
import { commandCheck } from "../checks/command.ts";
import { httpCheck } from "../checks/http.ts";
import type { CheckConfig, ComponentConfig, StoreConfig } from "../config/schema.ts";
import { realPath } from "../base/real-path.ts";
import { STORES } from "../plugins.ts";
import { commandRunner } from "../runners/command.ts";
import type { Runner } from "../runners/runner.ts";
import { placeWithin } from "../slots/place.ts";
import { type Hold, holdByCommand, holdByHttp, holdLockFile, noHold } from "../stores/hold.ts";
import { holdFrozen } from "../stores/hold-frozen.ts";
import type { Ownership, Store } from "../stores/store.ts";

/** What is switched on its own: a store, or a part of a folder with the folder it lies `within`. */
export type SlotConfig = StoreConfig & {
  readonly within?: string;
  /** Its name in points, where the path is no longer the configured one. */
  readonly base?: string;
};

type OpenedConfig = Omit<ComponentConfig, "stores"> & {
  readonly stores: Readonly<Record<string, SlotConfig>>;
};

/** Components as the configuration has them, or as an operation needs them. */
export type ComponentsConfig = Readonly<Record<string, OpenedConfig>>;

/** A store with what the configuration says of it beyond its files. */
export type OpenStore = {
  readonly store: Store;
  readonly component: string;
  readonly config: SlotConfig;
};

export type OpenCheck = {
  readonly name: string;
  readonly check: Check;
  readonly isRequired: boolean;
};

/** A part of the system with all that can be done to it. */
export type Component = {
  readonly name: string;
  readonly config: OpenedConfig;
  /** Undefined: lastgood does not know how to stop and start it. */
  readonly runner: Runner | undefined;
  readonly stores: readonly OpenStore[];
  readonly checks: readonly OpenCheck[];
};

export type Surroundings = {
  /** Where commands run. */
  readonly folder: string;
  readonly temporary: string;
  readonly clock: Clock;
  readonly effects?: Effects;
};

/** Opens components from their resolved configuration, of the file or of the journal. */
export async function openComponents(
  components: ComponentsConfig,
  surroundings: Surroundings,
): Promise<Component[]> {
  return await Promise.all(
    Object.entries(components).map(([name, config]) => openComponent(name, config, surroundings)),
  );
}

async function openComponent(
  name: string,
  config: OpenedConfig,
  surroundings: Surroundings,
): Promise<Component> {
  const runner = openRunner(name, config, surroundings);
  const stores: OpenStore[] = [];
  for (const [storeName, storeConfig] of Object.entries(config.stores)) {
    const store = await openStore(`${name}/${storeName}`, storeConfig, runner, surroundings);
    const { within } = storeConfig;
    const opened =
      within === undefined ? store : { ...store, place: () => placeWithin(within, store.livePath) };
    stores.push({ store: opened, component: name, config: storeConfig });
  }
  const checks = Object.entries(config.checks).map(([checkName, checkConfig]) => ({
    name: checkName,
    check: openCheck(checkConfig, runner, surroundings.folder),
    isRequired: checkConfig.need === "required",
  }));
  return { name, config, runner, stores, checks };
}

function openRunner(
  name: string,
  { run }: OpenedConfig,
  { folder, temporary }: Surroundings,
): Runner | undefined {
  if (run === undefined) return undefined;
  const { start, stop, alive } = run.command;
  return commandRunner(name, {
    start,
    stop,
    alive,
    folder,
    logFile: path.join(path.dirname(temporary), "logs", `${name}.start.log`),
    startTimeoutMs: run.command["start-timeout"],
    stopTimeoutMs: run.command["stop-timeout"],
  });
}

async function openStore(
  name: string,
  config: SlotConfig,
  runner: Runner | undefined,
  { temporary, clock, folder, effects = realEffects }: Surroundings,
): Promise<Store> {
  const context = { name, temporary, effects };
  const { optional, format = "any" } = config;
  const configured = configuredPath(config);
  // Where links lead is where the data are: a restore must not put them in place of a link.
  // A part is what lies in the folder, link or not: to follow it would lead out of the store.
  const isPart = config.within !== undefined;
  const at = {
    path: isPart ? configured : await realPath(configured),
    base: config.base ?? path.basename(configured),
  };
  const common = { ...at, optional, ownership: ownershipOf(config) };
  if (config.sqlite !== undefined) return await STORES.sqlite(common, context);
  if (config.file !== undefined) return await STORES.file({ ...common, format }, context);
  const kind = config.chroma === undefined ? "folder" : "chroma";
  const hold = openHold(config, at.path, name, runner, { temporary, clock, folder });
  return await STORES[kind]({ ...common, hold }, context);
}

/** The configuration of a component in which the links are followed as they are now. */
export function settledConfig({ config, stores }: Component): OpenedConfig {
  const settled = stores.map(({ store, config: own }) => {
    const base = own.base ?? path.basename(configuredPath(own));
    const kinds = ["sqlite", "file", "folder", "chroma"] as const;
    const kind = kinds.find((one) => own[one] !== undefined)!;
    const name = store.name.slice(store.name.indexOf("/") + 1);
    return [name, { ...own, [kind]: store.livePath, base }] as const;
  });
  return { ...config, stores: Object.fromEntries(settled) };
}

/** As it stands in the configuration; `livePath` of the store is where its links lead. */
export function configuredPath({ sqlite, file, folder, chroma }: StoreConfig): string {
  return (sqlite ?? file ?? folder ?? chroma)!;
}

function ownershipOf({ owner, mode }: StoreConfig): Ownership {
  const [uid, gid] = owner?.split(":").map(Number) ?? [];
  return { uid, gid, mode: mode === undefined ? undefined : Number.parseInt(mode, 8) };
}

function openHold(
  { hold }: StoreConfig,
  folder: string,
  name: string,
  runner: Runner | undefined,
  { temporary, clock, folder: workingFolder }: Surroundings,
): Hold {
  if (hold === undefined) return noHold;
  if (hold["lock-file"] !== undefined) return holdLockFile(hold["lock-file"], clock.now);
  if (hold.http !== undefined) return holdByHttp(hold.http.acquire, hold.http.release);
  if (hold.command !== undefined) {
    return holdByCommand(hold.command.acquire, hold.command.release, workingFolder);
  }
  if (hold.freeze !== undefined) {
    const { "pid-file": pidFile, limit: limitMs } = hold.freeze;
    const copies = path.join(temporary, name.replaceAll("/", "-"));
    return holdFrozen({ folder, pidFile, limitMs, temporary: copies });
  }
  return holdStopped(name, runner);
}

function holdStopped(name: string, runner: Runner | undefined): Hold {
  const startAgain = async (run: Run): Promise<void> => {
    await runner?.start({ ...run, signal: new AbortController().signal });
  };
  return {
    outlives: true,
    async acquire(run) {
      if (runner === undefined) {
        throw new AppError(
          "CONFIG_INVALID",
          `hold ${name}: its component has no run to stop it by`,
        );
      }
      await runner.stop(run);
      return { [Symbol.asyncDispose]: () => startAgain(run) };
    },
    release: startAgain,
  };
}

function openCheck(config: CheckConfig, runner: Runner | undefined, folder: string): Check {
  const { http, command, status, json, timeout: timeoutMs } = config;
  if (command !== undefined) return commandCheck(command, folder, timeoutMs);
  if (http === undefined) return runnerCheck(runner);
  const request = typeof http === "string" ? { get: http } : http;
  return "get" in request
    ? httpCheck({ url: request.get, method: "GET", status, json, timeoutMs })
    : httpCheck({ url: request.post, method: "POST", body: request.body, status, json, timeoutMs });
}

function runnerCheck(runner: Runner | undefined): Check {
  return {
    async ask(run) {
      if (runner === undefined) return { verdict: "unknown", detail: "the component has no run" };
      const alive = await runner.isAlive(run);
      return { verdict: alive ? "good" : "bad", detail: alive ? "it runs" : "it does not run" };
    },
  };
}
