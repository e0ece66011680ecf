import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { allAtOnce } from "../base/in-parallel.ts";
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
import { DumpReader } from "./database/dump-reader.ts";
import { type MysqlConnection, mysqlServer, type MysqlServer } from "./database/mysql-server.ts";
import { quoted, text } from "./database/mysql-text.ts";
import {
  activate,
  type Content,
  contentOf,
  discard,
  fill,
  isReady,
  readySchemas,
  schemaOf,
  settle,
  tryObjects,
} from "./database/mysql-versions.ts";
import type { Tools } from "./database/tools.ts";
import type { Hold } from "./hold.ts";
import { noHold } from "./hold.ts";
import { migrationsQuery, type Schema, type SchemaProbe } from "./schema.ts";
import { whyUnfit } from "./server-version.ts";
import {
  type Captured,
  errorWord,
  type ServerStore,
  type StoreVersions,
  type StoreContext,
} from "./store.ts";

export type MysqlConfig = {
  readonly database: string;
  readonly connection: MysqlConnection;
  readonly tools: Tools;
  /** As people know it. */
  readonly where: string;
  /** Whether accounts are in the point too. They are never put back by themselves. */
  readonly users: boolean;
  readonly hold: Hold;
  readonly schema: SchemaProbe | undefined;
};

const TABLES = "tables.sql";
const OBJECTS = "objects.sql";
const EVENTS = "events.sql";
const USERS = "users.sql";

/** One database of a MariaDB or MySQL server. */
export function mysqlStore(config: MysqlConfig, { name, now }: StoreContext): ServerStore {
  const { database, connection, tools, where, hold } = config;
  const server = mysqlServer(connection, tools);
  const lies = (version: Version): string => schemaOf(database, version);
  const count = (run: Run) => (): Promise<Rows> => countRows(server, database, run);
  return {
    kind: "mysql",
    name,
    where,
    ...(hold === noHold ? {} : { hold }),
    capture: (into, at, run) => capture(config, server, name, now, into, at, run),
    captureVersion: (version, into, at, run) =>
      orUnreadable(name, isServers, async () => {
        const content = (inner: Run): Content => contentOf(server, lies(version), inner);
        const tables = await tablesIn(server, lies(version), run);
        return await store(content, tables, server, name, now, into, at, run);
      }),

    async loss(_from, _at, facts, run) {
      return await describeLoss(count(run), facts?.rows ?? {}, run);
    },
    async lossAgainst(version, run) {
      const then = await countRows(server, lies(version), run);
      return await describeLoss(count(run), then, run);
    },
    async schemaOf(version, run) {
      const schema = version === "live" ? database : lies(version);
      return await schemaIn(server, schema, config.schema, run).catch((error: unknown) => {
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

function versionsIn(server: MysqlServer, database: string, name: string): StoreVersions {
  const lies = (version: Version): string => schemaOf(database, version);
  return {
    isReady: (version, run) => isReady(server, lies(version), run),
    async readyAmong(versions, run) {
      const schemas = await readySchemas(server, database, run);
      return new Set(versions.filter((version) => schemas.has(lies(version))));
    },
    async stage(version, from, at, run) {
      const tables = from.stream(`${at}/${TABLES}`);
      const objects = from.stream(`${at}/${OBJECTS}`);
      const content = { tables, objects, events: from.stream(`${at}/${EVENTS}`) };
      await fill(server, database, lies(version), content, run);
    },
    async problemsOf(version, facts, run) {
      const problems = rowProblems(name, await countRows(server, lies(version), run), facts?.rows);
      try {
        await tryObjects(server, lies(version), run);
        return problems;
      } catch (error) {
        if (!isServers(error)) throw error;
        return [...problems, errorWord(name, "objects_cannot_be_made"), (error as Error).message];
      }
    },
    activate: (version, displaced, run) =>
      activate(server, database, lies(version), lies(displaced), run),
    discard: (version, run) => discard(server, lies(version), run),
    async save(version, run) {
      if (await isReady(server, lies(version), run)) return;
      const content = liveContent(server, database, run);
      await fill(server, database, lies(version), content, run);
    },
    async copy(from, version, run) {
      if (await isReady(server, lies(version), run)) return;
      if (!(await isReady(server, lies(from), run))) {
        throw new AppError("NOT_FOUND", `copy ${name} ${from}: it is not there any more`);
      }
      await fill(server, database, lies(version), contentOf(server, lies(from), run), run);
    },
    settle: (run) => settle(server, database, run),
  };
}

async function capture(
  { database, users, hold }: MysqlConfig,
  server: MysqlServer,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const errors: string[] = [];
  const warnings: string[] = [];
  return await orUnreadable(name, isServers, async () => {
    await using _held = await hold.acquire(run);
    const tables = await server.tables(database, run);
    if ([...tables.values()].includes("SYSTEM VERSIONED")) {
      // A dump has only the rows of today, and nobody would see that the others are missing.
      errors.push(errorWord(name, "has_tables_with_history"));
    }
    const unsafe = [...tables].filter(([, engine]) => !TRANSACTIONAL.has(engine));
    if (unsafe.length > 0 && hold === noHold) {
      errors.push(errorWord(name, "has_tables_without_transactions"));
      warnings.push(
        `${unsafe.map(([table]) => table).join(", ")}: say under hold: how writing stops`,
      );
    }
    const content = (inner: Run): Content => liveContent(server, database, inner);
    const stored = await store(content, tables, server, name, now, into, at, run);
    if (users) await into.stream(`${at}/${USERS}`, server.dumpUsers(run), dumpMetadata(now));
    return {
      ...stored,
      errors: [...errors, ...stored.errors],
      warnings: [...warnings, ...stored.warnings],
    };
  });
}

const liveContent = (server: MysqlServer, database: string, run: Run): Content => ({
  tables: server.dumpTables(database, run),
  objects: server.dumpObjects(database, run),
  events: server.dumpEvents(database, run),
});

/** Puts dumps into the repository, and sees whether they are whole. */
async function store(
  content: (run: Run) => Content,
  engines: ReadonlyMap<string, string>,
  server: MysqlServer,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  // Asked for while the dump goes by: nobody waits for it.
  const asked = Promise.all([versionOf(server, run), server.toolVersion(run)]);
  asked.catch(() => {});
  const [reader, others] = [new DumpReader(), new DumpReader()];
  const put = (as: string, dump: (content: Content) => AsyncIterable<Uint8Array>) => (inner: Run) =>
    into.stream(`${at}/${as}`, dump(content(inner)), metadata);
  // All at once: the small ones take their time with waiting.
  const puts = [
    put(TABLES, ({ tables }) => watched(tables, reader)),
    put(OBJECTS, ({ objects }) => watched(objects, others)),
    put(EVENTS, ({ events }) => events),
  ];
  const [rowsPut] = await allAtOnce(puts, run);
  const isWhole = reader.content.isComplete && others.content.isComplete;
  const errors = isWhole ? [] : [errorWord(name, "dump_incomplete")];
  const counted = [...engines].filter(([, engine]) => engine !== "SEQUENCE");
  const empty = Object.fromEntries(counted.map(([table]) => [table, 0]));
  const rows = { ...empty, ...reader.content.rows };
  const [version, tools] = await asked;
  const about = { server: version, tools };
  const unfit = whyUnfit("mysql", version, tools);
  const warnings =
    unfit === undefined
      ? []
      : [`the dump was made by ${tools}, which is not the server's: ${unfit}`];
  return { facts: { bytes: rowsPut!.sizeBytes, rows, about }, errors, warnings };
}

async function versionOf(server: MysqlServer, run: Run): Promise<string> {
  const [[version = ""] = []] = await server.query("SELECT VERSION()", run);
  return version;
}

/** A dump of tables of any other engine is of several moments. */
const TRANSACTIONAL: ReadonlySet<string> = new Set([
  "InnoDB",
  "RocksDB",
  "TokuDB",
  "SEQUENCE",
  "SYSTEM VERSIONED",
]);

/** With their engines; without those of lastgood itself. */
async function tablesIn(
  server: MysqlServer,
  schema: string,
  run: Run,
): Promise<ReadonlyMap<string, string>> {
  const all = [...(await server.tables(schema, run))];
  return new Map(all.filter(([table]) => !table.startsWith("lastgood_")));
}

async function countRows(
  server: MysqlServer,
  schema: string,
  run: Run,
): Promise<Record<string, number>> {
  const counts = [...(await tablesIn(server, schema, run))]
    .filter(([, engine]) => engine !== "SEQUENCE")
    .map(([table]) => `SELECT ${text(table)}, COUNT(*) FROM ${quoted(schema, table)}`);
  if (counts.length === 0) return {};
  const rows = await server.query(counts.join(" UNION ALL "), run);
  return Object.fromEntries(rows.map(([table, count]) => [table!, Number(count)]));
}

async function schemaIn(
  server: MysqlServer,
  schema: string,
  probe: SchemaProbe | undefined,
  run: Run,
): Promise<Schema | undefined> {
  const columns = await server.query(
    `SELECT table_name, column_name, column_type, is_nullable FROM information_schema.columns
     WHERE table_schema = ${text(schema)} AND table_name NOT LIKE 'lastgood\\_%'
     ORDER BY table_name, ordinal_position`,
    run,
  );
  const query = probe === undefined ? undefined : migrationsQuery(probe, "mysql");
  if (query === undefined) return schemaFrom(columns, undefined);
  const rows = await server.query(query, run, schema).catch((error: unknown) => {
    if (/doesn't exist/.test((error as Error).message)) return [];
    throw error;
  });
  return schemaFrom(
    columns,
    rows.map(([migration]) => migration!),
  );
}
