import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { isSameSchema, probeSchema, type SchemaProbe } from "../src/stores/schema.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: each way of knowing a schema sees what was applied, and says nothing where it cannot know.

const run = quietRun();

async function probed(
  sql: string,
  probe: SchemaProbe,
): Promise<readonly string[] | string | undefined> {
  await using temporary = await temporaryFolder();
  const file = path.join(temporary.path, "app.db");
  {
    using database = new DatabaseSync(file);
    database.exec(sql);
  }
  const schema = await probeSchema(file, probe, run);
  return schema?.migrations ?? schema?.fingerprint;
}

suite("schemas", () => {
  test("prisma: what was finished and not rolled back", async () => {
    const sql = `CREATE TABLE _prisma_migrations (migration_name, finished_at, rolled_back_at);
      INSERT INTO _prisma_migrations VALUES ('1_a', 1, NULL), ('2_b', NULL, NULL), ('3_c', 1, 2)`;
    assert.deepEqual(await probed(sql, { prisma: true }), ["1_a"]);
    assert.deepEqual(await probed("CREATE TABLE t (x)", { prisma: true }), []);
  });

  test("what a program drops without a migration is another schema, though the list is the same", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "app.db");
    using database = new DatabaseSync(file);
    database.exec(`CREATE TABLE _prisma_migrations (migration_name, finished_at, rolled_back_at);
      INSERT INTO _prisma_migrations VALUES ('1_a', 1, NULL); CREATE TABLE Document (x)`);
    const before = await probeSchema(file, { prisma: true }, run);
    database.exec("INSERT INTO Document VALUES (1)");
    assert(isSameSchema(before, await probeSchema(file, { prisma: true }, run)));
    database.exec("DROP TABLE Document");
    const after = await probeSchema(file, { prisma: true }, run);
    assert.deepEqual(after?.migrations, before?.migrations);
    assert(!isSameSchema(before, after));
  });

  test("alembic, django, a query, a command", async () => {
    const alembic =
      "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('ae10')";
    assert.deepEqual(await probed(alembic, { alembic: true }), ["ae10"]);
    const django = `CREATE TABLE django_migrations (app, name);
      INSERT INTO django_migrations VALUES ('shop', '0001_initial'), ('auth', '0002_x')`;
    assert.deepEqual(await probed(django, { django: true }), ["auth.0002_x", "shop.0001_initial"]);
    const own = "CREATE TABLE mig (n); INSERT INTO mig VALUES ('m1'), ('m2')";
    assert.deepEqual(await probed(own, { query: "SELECT n FROM mig ORDER BY n" }), ["m1", "m2"]);
    assert.deepEqual(await probed("", { command: ["printf", "a\\nb\\n"] }), ["a", "b"]);
  });

  test("user_version; a hash of what makes the tables, and of nothing else", async () => {
    assert.equal(
      await probed("PRAGMA user_version = 7", { "user-version": true }),
      "user_version 7",
    );
    const table = "CREATE TABLE t (x);";
    const one = await probed(table, { hash: true });
    assert.equal(await probed(`${table} INSERT INTO t VALUES (1)`, { hash: true }), one);
    assert.notEqual(await probed(`${table} CREATE INDEX i ON t (x)`, { hash: true }), one);
  });

  test("what is no database, and what is not there, say nothing", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "app.db");
    assert.equal(await probeSchema(file, undefined, run), undefined);
    fs.writeFileSync(file, "this is no database ".repeat(500));
    assert.equal(await probeSchema(file, { prisma: true }, run), undefined);
  });
});
