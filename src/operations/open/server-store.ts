import path from "node:path";
import type { Run } from "../../base/events.ts";
import { realPath } from "../../base/real-path.ts";
import type { StoreConfig } from "../../config/schema.ts";
import { readSecret } from "../../config/secrets.ts";
import { STORES } from "../../plugins.ts";
import type { Runner } from "../../runners/runner.ts";
import { type Tools, toolsAt } from "../../stores/database/tools.ts";
import type { PostgresConfig } from "../../stores/postgres.ts";
import type { Store, StoreContext } from "../../stores/store.ts";
import type { SlotConfig, Surroundings } from "../components.ts";
import { openHold } from "./hold.ts";
import { ownershipOf } from "./ownership.ts";

/** Where data that a server has, or only programs can reach, are, for people and points. */
export function serverPlace(config: StoreConfig): string {
  const { mysql, postgres, s3, command, elasticsearch } = config;
  if (elasticsearch !== undefined) {
    return `${elasticsearch.endpoint.replace(/\/+$/, "")}/${elasticsearch.indices.join(",")}`;
  }
  if (command !== undefined) return command.dump.join(" ");
  if (s3 !== undefined) return bucketsPlace(s3);
  return mysql === undefined ? databasePlace("postgres", postgres!) : databasePlace("mysql", mysql);
}

function bucketsPlace({ endpoint, buckets, prefix }: NonNullable<StoreConfig["s3"]>): string {
  const names = "match" in buckets ? `{${buckets.match}}` : buckets.join(",");
  return `${endpoint.replace(/\/+$/, "")}/${names}${prefix === "" ? "" : `/${prefix}`}`;
}

function databasePlace(
  scheme: string,
  { container, host, port, socket, database }: NonNullable<StoreConfig["mysql"]>,
): string {
  const at = container ?? socket ?? `${host ?? "localhost"}${port === undefined ? "" : `:${port}`}`;
  return `${scheme}://${at}/${database}`;
}

/** Undefined for what is neither a server's nor only to be had by programs. */
export async function openServerStore(
  name: string,
  config: SlotConfig,
  context: StoreContext,
  runner: Runner | undefined,
  surroundings: Surroundings,
): Promise<Store | undefined> {
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
  const run = quietly();
  if (config.s3 !== undefined) {
    const { "access-key": access, "secret-key": secret, ...s3 } = config.s3;
    const { env = {}, state } = surroundings;
    const keys = async (): Promise<{ accessKey: string; secretKey: string }> => ({
      accessKey: await readSecret(access, env, run),
      secretKey: await readSecret(secret, env, run),
    });
    const folder = path.join(state, "buckets", name.replaceAll("/", "-"));
    return await STORES.s3({ ...s3, keys, folder, where: bucketsPlace(config.s3) }, context);
  }
  if (config.elasticsearch !== undefined) {
    const { password: secret, ...search } = config.elasticsearch;
    const { env = {}, state } = surroundings;
    const password = async (): Promise<string | undefined> =>
      secret === undefined ? undefined : await readSecret(secret, env, run);
    const folder = path.join(state, "indices", name.replaceAll("/", "-"));
    const { user, snapshots } = search;
    const access = { ...search, user, snapshots, password, where: serverPlace(config), folder };
    return await STORES.elasticsearch(access, context);
  }
  if (config.command !== undefined) {
    const { container, dump, load, check } = config.command;
    const tools = toolsAt({ container, dockerHost: surroundings.dockerHost }, async () => ({}));
    const folder = path.join(surroundings.state, "streams", name.replaceAll("/", "-"));
    return await STORES.command({ dump, load, check, tools, folder }, context);
  }
  return undefined;
}

/** For secrets that are asked for later, by whoever needs them then. */
const quietly = (): Run => ({ signal: new AbortController().signal, report: () => {} });

/** What all kinds of database have in common. */
function databaseConfig(
  config: StoreConfig,
  server: NonNullable<StoreConfig["postgres"]>,
  variable: string,
  around: Surroundings,
): Omit<PostgresConfig, "connection"> {
  const { database, users } = server;
  const tools = databaseTools(server, variable, around);
  return { database, users, schema: config.schema, where: serverPlace(config), tools };
}

/** The programs of all servers find the password in a variable. */
function databaseTools(
  { container, password }: Pick<NonNullable<StoreConfig["postgres"]>, "container" | "password">,
  variable: string,
  { dockerHost, env = {} }: Surroundings,
): Tools {
  return toolsAt({ container, dockerHost }, async () => {
    if (password === undefined) return {};
    return { [variable]: await readSecret(password, env, quietly()) };
  });
}
