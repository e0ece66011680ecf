import path from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Effects } from "../base/effects.ts";
import type { Check } from "../checks/check.ts";
import type { CheckConfig, ComponentConfig, StoreConfig } from "../config/schema.ts";
import type { Runner } from "../runners/runner.ts";
import { isFileStore, type Store } from "../stores/store.ts";
import type { Target } from "../targets/target.ts";
import { openCheck } from "./open/check.ts";
import { openContainerCheck } from "./open/image.ts";
import { openRunner } from "./open/runner.ts";
import { configuredPath, openStore } from "./open/store.ts";
import { openTarget } from "./open/target.ts";

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
  readonly need: CheckConfig["need"];
  readonly isRequired: boolean;
};

/** A part of the system with all that can be done to it. */
export type Component = {
  readonly name: string;
  readonly config: OpenedConfig;
  /** Undefined: lastgood does not know how to stop and start it. */
  readonly runner: Runner | undefined;
  /** Undefined: its releases are somebody else's business. */
  readonly target: Target | undefined;
  readonly stores: readonly OpenStore[];
  readonly checks: readonly OpenCheck[];
};

export type Surroundings = {
  /** Where commands run. */
  readonly folder: string;
  readonly state: string;
  readonly temporary: string;
  readonly clock: Clock;
  /** Where the container engine is; undefined: where its program looks. */
  readonly dockerHost?: string | undefined;
  /** Variables in which secrets may stand. */
  readonly env?: Readonly<Record<string, string | undefined>>;
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

/**
 * The components of an operation. Their data lie where it found them; how they are run and asked is what the file
 * says now, since that may be just what somebody has mended. Where the two do not go together, all is as it was.
 */
export async function openComponentsOf(
  then: ComponentsConfig,
  now: ComponentsConfig | undefined,
  surroundings: Surroundings,
): Promise<Component[]> {
  const mended = Object.entries(then).map(([name, config]) => {
    const today = now?.[name];
    if (today === undefined) return [name, config] as const;
    const { run, checks, verify } = today;
    return [name, { ...config, run, checks, verify }] as const;
  });
  return await openComponents(Object.fromEntries(mended), surroundings).catch(() =>
    openComponents(then, surroundings),
  );
}

async function openComponent(
  name: string,
  config: OpenedConfig,
  surroundings: Surroundings,
): Promise<Component> {
  const runner = openRunner(name, config, surroundings);
  const target = openTarget(name, config, runner, surroundings);
  const stores: OpenStore[] = [];
  for (const [storeName, storeConfig] of Object.entries(config.stores)) {
    const store = await openStore(`${name}/${storeName}`, storeConfig, runner, surroundings);
    stores.push({ store, component: name, config: storeConfig });
  }
  const checks = Object.entries(config.checks).map(([checkName, checkConfig]) => ({
    name: checkName,
    check: openCheck(checkConfig, { runner, target, config, stores, surroundings }),
    need: checkConfig.need,
    isRequired: checkConfig.need === "required",
  }));
  const inside = openContainerCheck(name, config, runner, surroundings);
  if (inside !== undefined) {
    checks.push({ name: "container", check: inside, need: "required", isRequired: true });
  }
  return { name, config, runner, target, stores, checks };
}

/** The configuration of a component in which the links are followed as they are now. */
export function settledConfig({ config, stores }: Component): OpenedConfig {
  const settled = stores.map(({ store, config: own }) => {
    const called = store.name.slice(store.name.indexOf("/") + 1);
    if (!isFileStore(store)) return [called, own] as const;
    const base = own.base ?? path.basename(configuredPath(own));
    const kinds = ["sqlite", "file", "folder", "chroma", "faiss"] as const;
    const kind = kinds.find((one) => own[one] !== undefined);
    if (own.redis !== undefined) {
      return [called, { ...own, redis: { ...own.redis, folder: store.livePath } }] as const;
    }
    if (kind === undefined) return [called, own] as const;
    return [called, { ...own, [kind]: store.livePath, base }] as const;
  });
  return { ...config, stores: Object.fromEntries(settled) };
}
