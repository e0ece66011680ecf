import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { type PostgresServer, quoted, text } from "./postgres-server.ts";

// Versions of a database lie beside it as databases of their own. A comment makes one ready. They are
// switched by renames in one transaction: a crash leaves the one or the other, and nothing to settle.

const NAME_BYTES_MAX = 63;
const DATABASE_BYTES = 20;

/** The database in which a version of another one lies. */
export function databaseOf(database: string, version: Version): string {
  const whole = `${database}~${version}`;
  if (Buffer.byteLength(whole) <= NAME_BYTES_MAX) return whole;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, 32);
  return `${database.slice(0, DATABASE_BYTES)}~${hash}`;
}

const readyComment = (database: string): string => `lastgood: ready, of ${database}`;

/** All databases with a version of a database that is ready. */
export async function readyDatabases(
  server: PostgresServer,
  database: string,
  run: Run,
): Promise<ReadonlySet<string>> {
  const sql = `SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = ${text(readyComment(database))}`;
  return new Set((await server.query(sql, run)).map(([name]) => name!));
}

async function exists(server: PostgresServer, database: string, run: Run): Promise<boolean> {
  const sql = `SELECT 1 FROM pg_database WHERE datname = ${text(database)}`;
  return (await server.query(sql, run)).length > 0;
}

/** Makes a version out of a dump. What was begun of it before goes first. */
export async function fill(
  server: PostgresServer,
  live: string,
  version: string,
  dump: AsyncIterable<Uint8Array>,
  run: Run,
): Promise<void> {
  await discard(server, version, run);
  await server.command(
    `CREATE DATABASE ${quoted(version)} TEMPLATE template0 ${await looksOf(server, live, run)}`,
    run,
  );
  await server.load(version, dump, run);
  await markReady(server, live, version, run);
}

/** Encoding and sorting are of the database as a whole: no dump has them. */
async function looksOf(server: PostgresServer, live: string, run: Run): Promise<string> {
  // Since version 15 a database may sort by ICU's rules, which have a name of their own.
  const sql = `SELECT pg_encoding_to_char(encoding), datcollate, datctype,
      to_jsonb(d)->>'datlocprovider', COALESCE(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale')
    FROM pg_database d WHERE datname = ${text(live)}`;
  const [found] = await server.query(sql, run);
  if (found === undefined) return "";
  const [encoding, collate, ctype, provider, locale = ""] = found;
  const icu = provider === "i" ? ` LOCALE_PROVIDER icu ICU_LOCALE ${text(locale)}` : "";
  return `ENCODING ${text(encoding!)} LC_COLLATE ${text(collate!)} LC_CTYPE ${text(ctype!)}${icu}`;
}

/** A copy of a database to which nobody is connected; the server copies its files. */
export async function copyDatabase(
  server: PostgresServer,
  live: string,
  from: string,
  version: string,
  run: Run,
): Promise<void> {
  await discard(server, version, run);
  if (!(await exists(server, from, run))) {
    throw new AppError("NOT_FOUND", `copy database ${from}: there is none`);
  }
  await refuseClients(server, from, run);
  await server.command(`CREATE DATABASE ${quoted(version)} TEMPLATE ${quoted(from)}`, run);
  await markReady(server, live, version, run);
}

async function markReady(
  server: PostgresServer,
  live: string,
  version: string,
  run: Run,
): Promise<void> {
  const comment = text(readyComment(live));
  await server.command(`COMMENT ON DATABASE ${quoted(version)} IS ${comment}`, run);
}

/** Makes a version the live one, and what is live ready as `displaced`. REFUSED with clients. */
export async function activate(
  server: PostgresServer,
  live: string,
  version: string,
  displaced: string,
  run: Run,
): Promise<void> {
  if (!(await readyDatabases(server, live, run)).has(version)) return;
  if (await exists(server, displaced, run)) {
    throw new AppError("REFUSED", `switch database ${live}: ${displaced} is there already`, {
      hint: "Nothing was changed. Look at what it is before it is dropped.",
    });
  }
  const leaving = (await exists(server, live, run))
    ? [
        ...(await settingsFor(server, live, version, run)),
        `ALTER DATABASE ${quoted(live)} RENAME TO ${quoted(displaced)}`,
        `COMMENT ON DATABASE ${quoted(displaced)} IS ${text(readyComment(live))}`,
      ]
    : [];
  const comment = await commentOn(server, live, run);
  await refuseClients(server, live, run);
  await server.query(
    [
      ...leaving,
      `ALTER DATABASE ${quoted(version)} RENAME TO ${quoted(live)}`,
      `COMMENT ON DATABASE ${quoted(live)} IS ${comment}`,
    ].join(";\n"),
    run,
  );
}

/** Their values are lists, and stand in the catalogue as they are to be given. */
const LISTS = [
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
  "shared_preload_libraries",
  "unix_socket_directories",
]
  .map(text)
  .join(", ");

/** Owner, rights and settings are of the database as a whole too: the new one gets those of the old. */
async function settingsFor(
  server: PostgresServer,
  live: string,
  version: string,
  run: Run,
): Promise<string[]> {
  const of = `FROM pg_database d WHERE d.datname = ${text(live)}`;
  const target = text(version);
  const sql = `
    SELECT format('ALTER DATABASE %I OWNER TO %I', ${target}, pg_get_userbyid(datdba)), 1 ${of}
    UNION ALL
    SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', ${target}, datconnlimit), 1 ${of}
    UNION ALL
    SELECT format(CASE WHEN lower(split_part(c, '=', 1)) IN (${LISTS}) THEN 'ALTER %s SET %I TO %s'
        ELSE 'ALTER %s SET %I TO %L' END, CASE WHEN s.setrole = 0 THEN format('DATABASE %I', ${target})
        ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), ${target}) END,
        split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)), 2
      FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
      WHERE d.datname = ${text(live)}
    UNION ALL
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', ${target}), 3 ${of} AND d.datacl IS NOT NULL
    UNION ALL
    SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, ${target},
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 4
      FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = ${text(live)}
    ORDER BY 2`;
  return (await server.query(sql, run)).map(([statement]) => statement!);
}

/** As a literal. */
async function commentOn(server: PostgresServer, live: string, run: Run): Promise<string> {
  const sql = `SELECT COALESCE(quote_literal(shobj_description(oid, 'pg_database')), 'NULL') FROM pg_database WHERE datname = ${text(live)}`;
  return (await server.query(sql, run))[0]?.[0] ?? "NULL";
}

const CLIENTS_MS_MAX = 5000;
const POLL_MS = 200;

/** Who is connected would go on in what is switched away; the server refuses it too. */
async function refuseClients(server: PostgresServer, database: string, run: Run): Promise<void> {
  const sql = `SELECT usename, count(*) FROM pg_stat_activity
    WHERE datname = ${text(database)} AND pid <> pg_backend_pid() AND backend_type = 'client backend' GROUP BY 1`;
  const deadline = performance.now() + CLIENTS_MS_MAX;
  for (;;) {
    const [first] = await server.query(sql, run);
    if (first === undefined) return;
    if (performance.now() > deadline) {
      const [user, count] = first;
      throw new AppError(
        "REFUSED",
        `switch database ${database}: ${user} has ${count} connections`,
        {
          hint: "Stop whoever uses it: another component, a console, a job.",
        },
      );
    }
    await sleep(POLL_MS, undefined, { signal: run.signal });
  }
}

export async function discard(server: PostgresServer, database: string, run: Run): Promise<void> {
  await server.command(`DROP DATABASE IF EXISTS ${quoted(database)}`, run);
}
