import path from "node:path";
import { realEffects } from "../../base/effects.ts";
import { realPath } from "../../base/real-path.ts";
import type { StoreConfig } from "../../config/schema.ts";
import { STORES } from "../../plugins.ts";
import type { Runner } from "../../runners/runner.ts";
import { placeWithin } from "../../slots/place.ts";
import { isFileStore, type Store } from "../../stores/store.ts";
import type { SlotConfig, Surroundings } from "../components.ts";
import { openHold } from "./hold.ts";
import { ownershipOf } from "./ownership.ts";
import { openServerStore, serverPlace } from "./server-store.ts";

/** Opens a store, or a part of one, where its links lead. */
export async function openStore(
  name: string,
  config: SlotConfig,
  runner: Runner | undefined,
  surroundings: Surroundings,
): Promise<Store> {
  const store = await openWhole(name, config, runner, surroundings);
  const { within } = config;
  if (within === undefined || !isFileStore(store)) return store;
  return { ...store, place: () => placeWithin(within, store.livePath) };
}

/** As it stands in the configuration; `livePath` of the store is where its links lead. */
export function configuredPath(config: StoreConfig): string {
  const { sqlite, file, folder, chroma, faiss, redis } = config;
  return sqlite ?? file ?? folder ?? chroma ?? faiss ?? redis?.folder ?? serverPlace(config);
}

async function openWhole(
  name: string,
  config: SlotConfig,
  runner: Runner | undefined,
  surroundings: Surroundings,
): Promise<Store> {
  const { temporary, clock, effects = realEffects } = surroundings;
  const context = { name, temporary, effects, now: clock.now };
  const server = await openServerStore(name, config, context, runner, surroundings);
  if (server !== undefined) return server;
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
  if (config.sqlite !== undefined) {
    return await STORES.sqlite({ ...common, schema: config.schema }, context);
  }
  if (config.file !== undefined) return await STORES.file({ ...common, format }, context);
  const kind = config.chroma === undefined ? "folder" : "chroma";
  const hold = openHold(config, at.path, name, runner, surroundings);
  if (config.faiss !== undefined) {
    const { "index-file": indexFile = "index.faiss", expect = {} } = config;
    const { rows } = expect;
    const settled = rows === undefined ? rows : { ...rows, sqlite: await realPath(rows.sqlite) };
    const all = { ...expect, rows: settled };
    return await STORES.faiss({ ...common, hold, indexFile, expect: all }, context);
  }
  return await STORES[kind]({ ...common, hold }, context);
}
