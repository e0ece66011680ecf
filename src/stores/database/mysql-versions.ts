import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { type MysqlServer, quoted, text } from "./mysql-server.ts";

// Versions of a database lie beside it as schemas of their own. Of each there is a table that makes it
// ready, and a table with what else belongs to it: views, routines, triggers and events cannot be moved
// from one schema to another, so they are made again from their statements.

const READY = "lastgood_ready";
const OBJECTS = "lastgood_objects";
const OWN: ReadonlySet<string> = new Set([READY, OBJECTS]);

const NAME_CHARACTERS_MAX = 64;
const DATABASE_CHARACTERS = 20;

/** The schema in which a version of a database lies. */
export function schemaOf(database: string, version: Version): string {
  const whole = `${database}~${version}`;
  if (whole.length <= NAME_CHARACTERS_MAX) return whole;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 32);
  return `${database.slice(0, DATABASE_CHARACTERS)}~${hash}`;
}

export async function isReady(server: MysqlServer, schema: string, run: Run): Promise<boolean> {
  const tables = await server.tables(schema, run);
  return tables.has(READY) && tables.has(OBJECTS);
}

/** All schemas with a version of a database that is ready. */
export async function readySchemas(
  server: MysqlServer,
  database: string,
  run: Run,
): Promise<ReadonlySet<string>> {
  const sql = `SELECT a.table_schema FROM information_schema.tables a
    JOIN information_schema.tables b ON a.table_schema = b.table_schema
    WHERE a.table_name = ${text(OBJECTS)} AND a.table_comment = ${text(database)} AND b.table_name = ${text(READY)}`;
  return new Set((await server.query(sql, run)).map(([schema]) => schema!));
}

export type Content = {
  readonly tables: AsyncIterable<Uint8Array>;
  readonly objects: AsyncIterable<Uint8Array>;
};

/** Makes a version out of a dump. What was begun of it before goes first. */
export async function fill(
  server: MysqlServer,
  database: string,
  schema: string,
  { tables, objects }: Content,
  run: Run,
): Promise<void> {
  await server.query(
    `DROP DATABASE IF EXISTS ${quoted(schema)}; CREATE DATABASE ${quoted(schema)}`,
    run,
  );
  await server.load(schema, tables, run);
  await server.query(`CREATE TABLE ${quoted(schema, READY)} (a INT)`, run);
  // Last: a schema with objects and without the mark is one that is being switched.
  await keepObjects(server, database, schema, await bytesOf(objects), run);
}

const OBJECTS_BYTES_MAX = 64 * 1024 * 1024;

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of source) {
    bytes += part.length;
    if (bytes > OBJECTS_BYTES_MAX) throw new AppError("REFUSED", "read objects: more than 64 MiB");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function keepObjects(
  server: MysqlServer,
  database: string,
  schema: string,
  objects: Buffer,
  run: Run,
): Promise<void> {
  const table = quoted(schema, OBJECTS);
  const value = objects.length === 0 ? "''" : `0x${objects.toString("hex")}`;
  await server.query(
    `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (a LONGBLOB) COMMENT = ${literal(database)}; INSERT INTO ${table} VALUES (${value})`,
    run,
  );
}

async function applyObjects(
  server: MysqlServer,
  from: string,
  to: string,
  run: Run,
): Promise<void> {
  const rows = await server.query(`SELECT HEX(a) FROM ${quoted(from, OBJECTS)}`, run);
  const objects = Buffer.from(rows[0]?.[0] ?? "", "hex");
  if (objects.length === 0) return;
  const source = async function* (): AsyncGenerator<Buffer> {
    yield objects;
  };
  await server.load(to, source(), run);
}

/**
 * Makes a version the live one, and what is live ready as `displaced`. All tables of both move in one
 * statement, and with them the mark that makes the displaced ones ready: whether it has happened can
 * always be told. REFUSED while somebody is connected.
 */
export async function activate(
  server: MysqlServer,
  live: string,
  version: string,
  displaced: string,
  run: Run,
): Promise<void> {
  await settle(server, live, run);
  if (!(await isReady(server, version, run))) return;
  if (await isReady(server, displaced, run)) {
    throw new AppError("REFUSED", `switch database ${live}: ${displaced} is there already`, {
      hint: "Nothing was changed. Look at what it is before it is dropped.",
    });
  }
  await refuseClients(server, live, run);
  await server.query(
    `CREATE DATABASE IF NOT EXISTS ${quoted(live)}; DROP DATABASE IF EXISTS ${quoted(displaced)}; CREATE DATABASE ${quoted(displaced)}`,
    run,
  );
  const objects = await bytesOf(server.dumpObjects(live, run));
  await keepObjects(server, live, displaced, objects, run);
  await dropObjects(server, live, run);
  await moveTables(server, live, version, displaced, run);
  await settle(server, live, run);
}

async function moveTables(
  server: MysqlServer,
  live: string,
  version: string,
  displaced: string,
  run: Run,
): Promise<void> {
  const out = [...(await server.tables(live, run)).keys()].map(
    (table) => `${quoted(live, table)} TO ${quoted(displaced, table)}`,
  );
  const into = [...(await server.tables(version, run)).keys()]
    .filter((table) => !OWN.has(table))
    .map((table) => `${quoted(version, table)} TO ${quoted(live, table)}`);
  const mark = `${quoted(version, READY)} TO ${quoted(displaced, READY)}`;
  const moves = [...out, ...into, mark].join(", ");
  await server.query(`SET FOREIGN_KEY_CHECKS = 0; RENAME TABLE ${moves}`, run);
}

/**
 * Ends what a crash left half switched. A schema that has nothing but objects is either the version
 * whose tables are live already, or was to take those that still are: in both cases its objects are
 * those of what is live.
 */
export async function settle(server: MysqlServer, live: string, run: Run): Promise<void> {
  const sql = `SELECT table_schema FROM information_schema.tables
    WHERE table_name = ${text(OBJECTS)} AND table_comment = ${text(live)}`;
  for (const [schema = ""] of await server.query(sql, run)) {
    if ((await server.tables(schema, run)).size > 1) continue;
    await applyObjects(server, schema, live, run);
    await discard(server, schema, run);
  }
}

const CLIENTS_MS_MAX = 5000;
const POLL_MS = 200;

/** Who is connected would write into what is switched away. */
async function refuseClients(server: MysqlServer, schema: string, run: Run): Promise<void> {
  const sql = `SELECT user, COUNT(*) FROM information_schema.processlist
    WHERE db = ${text(schema)} AND id <> CONNECTION_ID() GROUP BY user`;
  const deadline = performance.now() + CLIENTS_MS_MAX;
  for (;;) {
    const [first] = await server.query(sql, run);
    if (first === undefined) return;
    if (performance.now() > deadline) {
      const [user, count] = first;
      throw new AppError("REFUSED", `switch database ${schema}: ${user} has ${count} connections`, {
        hint: "Stop whoever uses it: another component, a console, a job.",
      });
    }
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

/** Triggers, which hold tables back, and all else that cannot move. */
async function dropObjects(server: MysqlServer, schema: string, run: Run): Promise<void> {
  const where = (column: string): string => `${column} = ${text(schema)}`;
  const found = await server.query(
    `SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE ${where("trigger_schema")}
     UNION ALL SELECT 'VIEW', table_name FROM information_schema.views WHERE ${where("table_schema")}
     UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE ${where("routine_schema")}
     UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE ${where("event_schema")}`,
    run,
  );
  const drops = found.map(([kind, name]) => `DROP ${kind} IF EXISTS ${quoted(schema, name!)}`);
  if (drops.length > 0) await server.query(drops.join("; "), run);
}

export async function discard(server: MysqlServer, schema: string, run: Run): Promise<void> {
  await server.query(`DROP DATABASE IF EXISTS ${quoted(schema)}`, run);
}

/** A literal for where only one may stand. */
function literal(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
