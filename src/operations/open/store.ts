import path from "node:path";
import { realEffects } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Frozen } from "../../base/freeze.ts";
import { realPath } from "../../base/real-path.ts";
import type { StoreConfig } from "../../config/schema.ts";
import { readSecret } from "../../config/secrets.ts";
import { STORES } from "../../plugins.ts";
import type { Runner } from "../../runners/runner.ts";
import { placeWithin } from "../../slots/place.ts";
import { type Hold, holdByCommand, holdByHttp, holdLockFile, noHold } from "../../stores/hold.ts";
import { freezePidIn, holdFrozen } from "../../stores/hold-frozen.ts";
import { type Tools, toolsAt } from "../../stores/database/tools.ts";
import type { PostgresConfig } from "../../stores/postgres.ts";
import { isFileStore, type Ownership, type Store } from "../../stores/store.ts";
import type { SlotConfig, Surroundings } from "../components.ts";

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
  const { sqlite, file, folder, chroma, faiss, mysql, postgres, redis, s3, command } = config;
  const local = sqlite ?? file ?? folder ?? chroma ?? faiss ?? redis?.folder;
  if (local !== undefined) return local;
  if (command !== undefined) return command.dump.join(" ");
  if (s3 !== undefined) return bucketsPlace(s3);
  return mysql === undefined ? placeOf("postgres", postgres!) : placeOf("mysql", mysql);
}

function bucketsPlace({ endpoint, buckets, prefix }: NonNullable<StoreConfig["s3"]>): string {
  const names = "match" in buckets ? `{${buckets.match}}` : buckets.join(",");
  return `${endpoint.replace(/\/+$/, "")}/${names}${prefix === "" ? "" : `/${prefix}`}`;
}

/** Where a server's data are, for people and points. */
function placeOf(
  scheme: string,
  { container, host, port, socket, database }: NonNullable<StoreConfig["mysql"]>,
): string {
  const at = container ?? socket ?? `${host ?? "localhost"}${port === undefined ? "" : `:${port}`}`;
  return `${scheme}://${at}/${database}`;
}

async function openWhole(
  name: string,
  config: SlotConfig,
  runner: Runner | undefined,
  surroundings: Surroundings,
): Promise<Store> {
  const { temporary, clock, effects = realEffects } = surroundings;
  const context = { name, temporary, effects, now: clock.now };
  if (config.mysql !== undefined) {
    const hold = openHold(config, "", name, runner, surroundings);
    const common = databaseConfig(config, config.mysql, "MYSQL_PWD", surroundings);
    const { host, port, socket, user } = config.mysql;
    const connection = { host, port, socket, user };
    return await STORES.mysql({ ...common, hold, connection }, context);
  }
  if (config.postgres !== undefined) {
    const common = databaseConfig(config, config.postgres, "PGPASSWORD", surroundings);
    const { host, port, socket, user } = config.postgres;
    return await STORES.postgres(
      { ...common, connection: { host: socket ?? host, port, user } },
      context,
    );
  }
  if (config.redis !== undefined) {
    const { folder, host, port, socket, user } = config.redis;
    const connection = { host, port, socket, user };
    const tools = databaseTools(config.redis, "REDISCLI_AUTH", surroundings);
    const common = { path: await realPath(folder), ownership: ownershipOf(config) };
    return await STORES.redis({ ...common, tools, connection }, context);
  }
  if (config.s3 !== undefined) {
    const { "access-key": access, "secret-key": secret, ...s3 } = config.s3;
    const run = { signal: new AbortController().signal, report: () => {} };
    const { env = {}, state } = surroundings;
    const keys = async (): Promise<{ accessKey: string; secretKey: string }> => ({
      accessKey: await readSecret(access, env, run),
      secretKey: await readSecret(secret, env, run),
    });
    const folder = path.join(state, "buckets", name.replaceAll("/", "-"));
    return await STORES.s3({ ...s3, keys, folder, where: bucketsPlace(config.s3) }, context);
  }
  if (config.command !== undefined) {
    const { container, dump, load, check } = config.command;
    const tools = toolsAt({ container, dockerHost: surroundings.dockerHost }, async () => ({}));
    const folder = path.join(surroundings.state, "streams", name.replaceAll("/", "-"));
    return await STORES.command({ dump, load, check, tools, folder }, context);
  }
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
    return await STORES.faiss({ ...common, hold, indexFile, expect }, context);
  }
  return await STORES[kind]({ ...common, hold }, context);
}

function databaseConfig(
  config: StoreConfig,
  server: NonNullable<StoreConfig["postgres"]>,
  variable: string,
  around: Surroundings,
): Omit<PostgresConfig, "connection"> {
  const { database, users } = server;
  const tools = databaseTools(server, variable, around);
  return { database, users, schema: config.schema, where: configuredPath(config), tools };
}

/** The programs of all servers find the password in a variable. */
function databaseTools(
  { container, password }: Pick<NonNullable<StoreConfig["postgres"]>, "container" | "password">,
  variable: string,
  { dockerHost, env = {} }: Surroundings,
): Tools {
  return toolsAt({ container, dockerHost }, async () => {
    if (password === undefined) return {};
    const run = { signal: new AbortController().signal, report: () => {} };
    return { [variable]: await readSecret(password, env, run) };
  });
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
    const { freeze: freezeAll, thaw } = runner ?? {};
    if (pidFile !== undefined) {
      return holdFrozen({
        folder,
        freeze: freezePidIn(pidFile, limitMs),
        limitMs,
        temporary: copies,
      });
    }
    if (freezeAll === undefined || thaw === undefined) {
      throw new AppError("CONFIG_INVALID", `hold ${name}: what cannot be paused has no pid-file`, {
        hint: "Name the pid-file of its process under hold.freeze.",
      });
    }
    const freeze = (run: Run): Promise<Frozen> => freezeAll(limitMs, run);
    return holdFrozen({ folder, freeze, release: thaw, limitMs, temporary: copies });
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
