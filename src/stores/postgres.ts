import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import type { Version } from "../slots/slot.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import {
  describeLoss,
  isServers,
  rowProblems,
  type Rows,
  schemaFrom,
  watched,
} from "./database/common.ts";
import { CopyReader } from "./database/copy-reader.ts";
import type { DumpContent } from "./database/dump-reader.ts";
import {
  type PostgresConnection,
  postgresServer,
  type PostgresServer,
  text,
} from "./database/postgres-server.ts";
import {
  activate,
  copyDatabase,
  databaseOf,
  discard,
  fill,
  readyDatabases,
} from "./database/postgres-versions.ts";
import type { Tools } from "./database/tools.ts";
import { migrationsQuery, type Schema, type SchemaProbe } from "./schema.ts";
import {
  type Captured,
  errorWord,
  type ServerStore,
  type StoreContext,
  type StoreVersions,
} from "./store.ts";

export type PostgresConfig = {
  readonly database: string;
  readonly connection: PostgresConnection;
  readonly tools: Tools;
  /** As people know it. */
  readonly where: string;
  /** Whether roles are in the point too. They are never put back by themselves. */
  readonly users: boolean;
  readonly schema: SchemaProbe | undefined;
};

const DUMP = "dump.sql";
const ROLES = "roles.sql";

/** One database of a PostgreSQL server. */
export function postgresStore(config: PostgresConfig, { name, now }: StoreContext): ServerStore {
  const { database, connection, tools, where } = config;
  const server = postgresServer(connection, tools);
  const lies = (version: Version): string => databaseOf(database, version);
  const count = (run: Run) => (): Promise<Rows> => countRows(server, database, run);
  return {
    kind: "postgres",
    name,
    where,
    capture: (into, at, run) => capture(config, server, name, now, into, at, run),
    captureVersion: (version, into, at, run) => {
      const lying = { ...config, database: lies(version), users: false };
      return capture(lying, server, name, now, into, at, run);
    },
    loss: (_from, _at, facts, run) => describeLoss(count(run), facts?.rows ?? {}, run),
    async lossAgainst(version, run) {
      return await describeLoss(count(run), await countRows(server, lies(version), run), run);
    },
    async schemaOf(version, run) {
      const asked = version === "live" ? database : lies(version);
      return await schemaIn(server, asked, config.schema, run).catch((error: unknown) => {
        // A server that does not answer tells nothing of its schema.
        if (isServers(error)) return undefined;
        throw error;
      });
    },
    server: (run) => versionOf(server, run),
    rows: (query, run) => server.query(query, run, database),
    versions: versionsIn(server, database, name),
  };
}

function versionsIn(server: PostgresServer, database: string, name: string): StoreVersions {
  const lies = (version: Version): string => databaseOf(database, version);
  const isReady = async (version: Version, run: Run): Promise<boolean> =>
    (await readyDatabases(server, database, run)).has(lies(version));
  return {
    isReady,
    async readyAmong(versions, run) {
      const ready = await readyDatabases(server, database, run);
      return new Set(versions.filter((version) => ready.has(lies(version))));
    },
    stage: (version, from, at, run) =>
      fill(server, database, lies(version), from.stream(`${at}/${DUMP}`), run),
    async problemsOf(version, facts, run) {
      return rowProblems(name, await countRows(server, lies(version), run), facts?.rows);
    },
    activate: (version, displaced, run) =>
      activate(server, database, lies(version), lies(displaced), run),
    discard: (version, run) => discard(server, lies(version), run),
    async save(version, run) {
      if (await isReady(version, run)) return;
      await copyDatabase(server, database, database, lies(version), run);
    },
    async copy(from, version, run) {
      if (await isReady(version, run)) return;
      await copyDatabase(server, database, lies(from), lies(version), run);
    },
    // Renames in one transaction leave nothing half done.
    settle: async () => {},
  };
}

async function capture(
  { database, users }: PostgresConfig,
  server: PostgresServer,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  const reader = new CopyReader();
  return await orUnreadable(name, isServers, async () => {
    const dump = watched(server.dump(database, run), reader);
    const { sizeBytes } = await into.stream(`${at}/${DUMP}`, dump, metadata);
    if (users) await into.stream(`${at}/${ROLES}`, server.dumpRoles(run), metadata);
    // Its programs refuse a server that is newer than they are by themselves.
    const version = await versionOf(server, run);
    const { isComplete, rows } = await ownRows(reader.content, server, database, run);
    const errors = isComplete ? [] : [errorWord(name, "dump_incomplete")];
    return { facts: { bytes: sizeBytes, rows, about: { server: version } }, errors, warnings: [] };
  });
}

async function versionOf(server: PostgresServer, run: Run): Promise<string> {
  const [[version = ""] = []] = await server.query("SHOW server_version", run);
  return version;
}

/** Tables of extensions have their rows from there: a dump has only some of them. */
async function ownRows(
  content: DumpContent,
  server: PostgresServer,
  database: string,
  run: Run,
): Promise<DumpContent> {
  const found = await server.query(
    `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`,
    run,
    database,
  );
  const foreign = new Set(found.map(([table]) => table));
  const own = Object.entries(content.rows).filter(([table]) => !foreign.has(table));
  return { ...content, rows: Object.fromEntries(own) };
}

async function countRows(
  server: PostgresServer,
  database: string,
  run: Run,
): Promise<Record<string, number>> {
  // Tables whose rows a dump has: not those of extensions, and not those that have parts instead.
  const tables = await server.query(
    `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`,
    run,
    database,
  );
  if (tables.length === 0) return {};
  const counts = tables.map(([table]) => `SELECT ${text(table!)}, count(*) FROM ${table}`);
  const rows = await server.query(counts.join(" UNION ALL "), run, database);
  return Object.fromEntries(rows.map(([table, count]) => [table!, Number(count)]));
}

async function schemaIn(
  server: PostgresServer,
  database: string,
  probe: SchemaProbe | undefined,
  run: Run,
): Promise<Schema | undefined> {
  const columns = await server.query(
    `SELECT table_schema, table_name, column_name, data_type, is_nullable
     FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
     ORDER BY 1, 2, ordinal_position`,
    run,
    database,
  );
  const query = probe === undefined ? undefined : migrationsQuery(probe, "postgres");
  if (query === undefined) return schemaFrom(columns, undefined);
  const rows = await server.query(query, run, database).catch((error: unknown) => {
    if (/does not exist/.test((error as Error).message)) return [];
    throw error;
  });
  return schemaFrom(
    columns,
    rows.map(([migration]) => migration!),
  );
}
