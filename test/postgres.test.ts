import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { hasPostgres, type Postgres, startPostgres } from "./support/postgres.ts";
import { skipWithout } from "./support/servers.ts";
import { throughPoint } from "./support/given-up.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a database of a real PostgreSQL comes back as it was, with its owner, rights and settings, and
// whatever goes wrong leaves what is live alone.

const skip = skipWithout(hasPostgres(), "postgresql-15");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };

const SCHEMA = `
CREATE SCHEMA other;
CREATE TABLE parent (id SERIAL PRIMARY KEY, name TEXT);
CREATE TABLE other."odd ""na.me" (a INT REFERENCES public.parent (id) ON DELETE CASCADE, b BYTEA);
CREATE TABLE parts (id INT, at INT) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE none (a INT);
CREATE VIEW both_of_them AS SELECT name FROM parent;
CREATE FUNCTION told () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO none VALUES (1); RETURN NEW; END $$;
INSERT INTO parent (name) VALUES ('a ''quoted'' \\ \t tab'), (E'line\nbreak'), ('日本語 🎉'), (NULL);
INSERT INTO other."odd ""na.me" VALUES (1, '\\x00ff0a'), (3, '');
INSERT INTO parts VALUES (1, 1), (2, 2);
CREATE TRIGGER told AFTER INSERT ON parent FOR EACH ROW EXECUTE FUNCTION told();
`;

suite("postgres", { skip, timeout: 300_000 }, () => {
  let server: Postgres;
  before(async () => {
    server = await startPostgres();
    await server.sql("CREATE ROLE app LOGIN; CREATE ROLE reader");
  });
  after(async () => await server[Symbol.asyncDispose]());

  let made = 0;
  async function newDatabase(folder: string): Promise<[string, System]> {
    const database = `shop_${++made}`;
    await server.sql(`CREATE DATABASE ${database} OWNER app`);
    await server.sql(
      `ALTER DATABASE ${database} SET work_mem = '7MB'; ALTER DATABASE ${database} SET search_path TO public, other; ALTER DATABASE ${database} CONNECTION LIMIT 7; COMMENT ON DATABASE ${database} IS 'it''s'; REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC;
       GRANT CONNECT ON DATABASE ${database} TO reader`,
    );
    await server.sql(SCHEMA, database);
    await writeFile(path.join(folder, "db.key"), server.password);
    const postgres = { database, socket: server.socket, password: { file: "db.key" } };
    return [database, await newSystem(folder, { stores: { db: { postgres } } })];
  }

  const contentOf = async (database: string): Promise<string> =>
    await server.sql(
      `SELECT * FROM parent ORDER BY 1; SELECT * FROM other."odd ""na.me" ORDER BY 1; SELECT * FROM parts ORDER BY 1;
       SELECT * FROM none; SELECT * FROM both_of_them; SHOW work_mem; SHOW search_path; SELECT last_value FROM parent_id_seq;
       SELECT tgname FROM pg_trigger WHERE NOT tgisinternal;
       SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a), datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '${database}'`,
      database,
    );

  test("comes back with rows, keys, triggers, owner, rights and settings; undo", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const then = await contentOf(database);
    const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
    assert(valid, [...errors, ...warnings].join());
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
    await server.sql(
      "INSERT INTO parent (name) VALUES ('newer'); DELETE FROM parts; DROP TRIGGER told ON parent",
      database,
    );
    const changed = await contentOf(database);
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.equal(await contentOf(database), then);
    await server.sql("DELETE FROM parent WHERE id = 1", database);
    assert.equal(await server.sql('SELECT count(*) FROM other."odd ""na.me"', database), "1");
    await throughPoint(system, `before-${back.operation}`, async () => {
      assert.equal(await contentOf(database), changed);
    });
    const undone = await undo(system, back.operation, { reason: "" }, run);
    assert.equal(undone.outcome, "committed", undone.error);
    assert.equal(await contentOf(database), changed);
  });

  test("who is still connected is told, and nothing is changed", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const { stamp } = await backup(system, ALL, run);
    await server.sql("INSERT INTO parent (name) VALUES ('newer')", database);
    const sleeping = server.sql("SELECT pg_sleep(12)", database);
    const { outcome, error } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "rolled-back");
    assert.match(error!, /postgres has 1 connections/);
    await sleeping;
    assert.equal(await server.sql("SELECT count(*) FROM parent", database), "5");
  });

  test("a wrong password makes the point invalid, with the reason and without the word", async () => {
    await using temporary = await temporaryFolder();
    const [, system] = await newDatabase(temporary.path);
    using _closed = system;
    await writeFile(path.join(temporary.path, "db.key"), "wrong");
    const wrong = await backup(system, ALL, run);
    assert(!wrong.valid);
    assert.match(wrong.warnings.join(), /password authentication failed/);
    assert.doesNotMatch(JSON.stringify(wrong), /secret/);
  });
});
