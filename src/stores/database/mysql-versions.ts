import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { isServers } from "./common.ts";
import { type MysqlServer, OWN_TABLES } from "./mysql-server.ts";
import { quoted, text } from "./mysql-text.ts";

// Versions of a database lie beside it as schemas of their own. Views, routines, triggers and events
// cannot be moved from one schema to another, so each version has their statements in a table. The name
// of that table says what the schema is: `staged` it is not whole yet, `ready` it is a version, `pending`
// its tables are live and its objects still to be made, `saved` those of the live one, before its tables
// were to move.

const { staged: STAGED, ready: READY, pending: PENDING, saved: SAVED } = OWN_TABLES;
const OWN: ReadonlySet<string> = new Set(Object.values(OWN_TABLES));

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
  return (await server.tables(schema, run)).has(READY);
}

/** All schemas with a version of a database that is ready. */
export async function readySchemas(
  server: MysqlServer,
  database: string,
  run: Run,
): Promise<ReadonlySet<string>> {
  return new Set(await schemasWith(server, [READY], database, run));
}

async function schemasWith(
  server: MysqlServer,
  tables: readonly string[],
  database: string,
  run: Run,
): Promise<string[]> {
  const sql = `SELECT table_schema FROM information_schema.tables
    WHERE table_name IN (${tables.map(text).join(", ")}) AND table_comment = ${text(database)}`;
  return (await server.query(sql, run)).map(([schema]) => schema!);
}

export type Content = {
  readonly tables: AsyncIterable<Uint8Array>;
  /** Views, routines, triggers. */
  readonly objects: AsyncIterable<Uint8Array>;
  /** Apart from them: in a version that only lies there they would run. */
  readonly events: AsyncIterable<Uint8Array>;
};

/** Makes a version out of dumps. What was begun of it before goes first. */
export async function fill(
  server: MysqlServer,
  database: string,
  schema: string,
  { tables, objects, events }: Content,
  run: Run,
): Promise<void> {
  await discard(server, schema, run);
  await server.query(`CREATE DATABASE ${quoted(schema)}`, run);
  await keep(server, database, schema, STAGED, { objects, events }, run);
  await server.load(schema, tables, run);
  // Last, and at once: with it the version is ready.
  await server.query(`RENAME TABLE ${quoted(schema, STAGED)} TO ${quoted(schema, READY)}`, run);
}

const PIECE_BYTES = 256 * 1024;

/** Puts statements into a table, in pieces that any server takes. */
async function keep(
  server: MysqlServer,
  database: string,
  schema: string,
  name: string,
  statements: Pick<Content, "objects" | "events">,
  run: Run,
): Promise<void> {
  const table = quoted(schema, name);
  await server.query(
    `CREATE TABLE ${table} (id INT PRIMARY KEY AUTO_INCREMENT, kind CHAR(7), part MEDIUMBLOB) COMMENT = ${literal(database)}`,
    run,
  );
  for (const kind of ["objects", "events"] as const) {
    let held = Buffer.alloc(0);
    const write = async (): Promise<void> => {
      const piece = held.subarray(0, PIECE_BYTES);
      held = held.subarray(PIECE_BYTES);
      const value = `0x${piece.toString("hex")}`;
      await server.query(`INSERT INTO ${table} (kind, part) VALUES ('${kind}', ${value})`, run);
    };
    for await (const part of statements[kind]) {
      held = Buffer.concat([held, part]);
      while (held.length > PIECE_BYTES) await write();
    }
    if (held.length > 0) await write();
  }
}

/** The statements that a version has, as they were. */
async function* statementsOf(
  server: MysqlServer,
  schema: string,
  name: string,
  kind: "objects" | "events",
  run: Run,
): AsyncGenerator<Buffer> {
  const table = quoted(schema, name);
  const ids = await server.query(`SELECT id FROM ${table} WHERE kind = '${kind}' ORDER BY id`, run);
  for (const [id] of ids) {
    const rows = await server.query(`SELECT HEX(part) FROM ${table} WHERE id = ${Number(id)}`, run);
    yield Buffer.from(rows[0]?.[0] ?? "", "hex");
  }
}

/** Of a version that is ready. */
export function contentOf(server: MysqlServer, schema: string, run: Run): Content {
  return {
    tables: server.dumpTables(schema, run),
    objects: statementsOf(server, schema, READY, "objects", run),
    events: statementsOf(server, schema, READY, "events", run),
  };
}

/** Makes the objects of a version in its own schema, and takes them away again. SOURCE_FAILED. */
export async function tryObjects(server: MysqlServer, schema: string, run: Run): Promise<void> {
  try {
    await server.load(schema, statementsOf(server, schema, READY, "objects", run), run);
  } finally {
    await dropObjects(server, schema, run);
  }
}

async function applyObjects(
  server: MysqlServer,
  from: string,
  table: string,
  to: string,
  run: Run,
): Promise<void> {
  for (const kind of ["objects", "events"] as const) {
    await server.load(to, statementsOf(server, from, table, kind, run), run);
  }
}

/**
 * Makes a version the live one, and what is live ready as `displaced`. All tables of both move in one
 * statement, and with them those that say what the schemas are: whether it has happened can always be
 * told. REFUSED while somebody is connected.
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
  await discard(server, displaced, run);
  await server.query(
    `CREATE DATABASE IF NOT EXISTS ${quoted(live)}; CREATE DATABASE ${quoted(displaced)}`,
    run,
  );
  const statements = {
    objects: server.dumpObjects(live, run),
    events: server.dumpEvents(live, run),
  };
  await keep(server, live, displaced, STAGED, statements, run);
  // Only what is whole may be made again after a crash.
  await server.query(
    `RENAME TABLE ${quoted(displaced, STAGED)} TO ${quoted(displaced, SAVED)}`,
    run,
  );
  await dropObjects(server, live, run);
  await moveTables(server, live, version, displaced, run);
  await applyObjects(server, version, PENDING, live, run);
  await discard(server, version, run);
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
  const marks = [
    `${quoted(version, READY)} TO ${quoted(version, PENDING)}`,
    `${quoted(displaced, SAVED)} TO ${quoted(displaced, READY)}`,
  ];
  const moves = [...out, ...into, ...marks].join(", ");
  await server.query(`SET FOREIGN_KEY_CHECKS = 0; RENAME TABLE ${moves}`, run);
}

/**
 * Ends what a crash left half switched. Of both kinds of schema that a crash leaves the objects are
 * those of what is live. What cannot be made again is told, and its statements stay: it must not be in
 * the way of going back.
 */
export async function settle(server: MysqlServer, live: string, run: Run): Promise<void> {
  for (const table of [PENDING, SAVED]) {
    for (const schema of await schemasWith(server, [table], live, run)) {
      try {
        await applyObjects(server, schema, table, live, run);
        await discard(server, schema, run);
      } catch (error) {
        if (!isServers(error)) throw error;
        const failed = quoted(schema, OWN_TABLES.failed);
        await server.query(`RENAME TABLE ${quoted(schema, table)} TO ${failed}`, run);
        const message = `${live}: views, routines, triggers or events could not be made: ${(error as Error).message}; their statements are in ${schema}`;
        run.report({ type: "warning", message });
      }
    }
  }
}

const CLIENTS_MS_MAX = 5000;
const POLL_MS = 200;

/** Who is connected would write into what is switched away. */
async function refuseClients(server: MysqlServer, schema: string, run: Run): Promise<void> {
  const me = `CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')`;
  const may = await server.query(
    `SELECT 1 FROM information_schema.user_privileges WHERE grantee = ${me} AND privilege_type = 'PROCESS'`,
    run,
  );
  if (may.length === 0) {
    throw new AppError("REFUSED", `switch database ${schema}: who is connected cannot be seen`, {
      hint: "Give the user of lastgood that right: GRANT PROCESS ON *.* TO …",
    });
  }
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

/** The mark goes first: the server drops one table after the other, and may die in between. */
export async function discard(server: MysqlServer, schema: string, run: Run): Promise<void> {
  const marks = [READY, PENDING, SAVED].map((table) => quoted(schema, table)).join(", ");
  const exists = `SELECT 1 FROM information_schema.schemata WHERE schema_name = ${text(schema)}`;
  if ((await server.query(exists, run)).length === 0) return;
  await server.query(
    `DROP TABLE IF EXISTS ${marks}; DROP DATABASE IF EXISTS ${quoted(schema)}`,
    run,
  );
}

/** A literal for where only one may stand. */
function literal(value: string): string {
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
