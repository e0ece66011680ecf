import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { hasMariadb, type Mariadb, startMariadb, systemOf } from "./support/mariadb.ts";
import { lastgood } from "./support/killed.ts";
import { restic, resticVersion } from "./support/restic.ts";
import { skipWithout } from "./support/servers.ts";
import { throughPoint } from "./support/given-up.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a database of a real MariaDB comes back as it was, with all that belongs to it, and whatever
// goes wrong leaves what is live alone.

const skip = skipWithout(hasMariadb(), "mariadb-server") || skipWithout(resticVersion(), "restic");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };

const SCHEMA = `
CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(200)) COMMENT 'it''s';
CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, parent INT, bytes BLOB, at TIMESTAMP(6) DEFAULT NOW(6),
  CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);
CREATE TABLE audit (what TEXT);
CREATE TABLE \`odd \`\`na.me\` (a INT);
CREATE VIEW both_of_them AS SELECT parent.name, child.id FROM parent JOIN child ON child.parent = parent.id;
CREATE VIEW above AS SELECT count(*) AS n FROM both_of_them;
DELIMITER //
CREATE TRIGGER told AFTER INSERT ON parent FOR EACH ROW BEGIN INSERT INTO audit VALUES (NEW.name); END//
CREATE PROCEDURE twice (IN x INT, OUT y INT) BEGIN SET y = 2 * x; END//
CREATE FUNCTION thrice (x INT) RETURNS INT DETERMINISTIC BEGIN RETURN 3 * x; END//
CREATE SEQUENCE numbers//
CREATE VIEW thriced AS SELECT thrice(id) AS x FROM parent//
CREATE EVENT each_year ON SCHEDULE EVERY 1 YEAR DO BEGIN DELETE FROM audit; END//
DELIMITER ;
INSERT INTO parent VALUES (1, 'a ''quoted''; (name)'), (2, 'line\\nbreak \\\\ slash'), (3, '日本語 🎉');
INSERT INTO child (parent, bytes) VALUES (1, x'00FF0A0D27'), (1, NULL), (3, x'');
`;

suite("mysql", { skip, timeout: 300_000 }, () => {
  let server: Mariadb;
  before(async () => {
    server = await startMariadb();
  });
  after(async () => await server[Symbol.asyncDispose]());

  let made = 0;
  async function newDatabase(folder: string, extra: object = {}): Promise<[string, System]> {
    const database = `shop_${++made}`;
    await server.sql(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    await server.sql(SCHEMA, database);
    return [database, await systemOf(server, folder, database, extra)];
  }

  test("what a validation that was killed has left in the server goes with the next backup", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _system = system;
    await server.sql(
      "INSERT INTO child (parent, bytes) SELECT 1, REPEAT('x', 50000) FROM seq_1_to_1500",
      database,
    );
    await backup(system, ALL, run);
    const copies = async (): Promise<string> =>
      await server.sql(`SHOW DATABASES LIKE '${database.replaceAll("_", "\\_")}~%'`);
    const mark = path.join(system.paths.state, "proofs");
    let left = "";
    // Killed at once it has not come so far yet; at the end it has cleared up.
    for (let waitMs = 50; left === "" && waitMs < 3000; waitMs += 150) {
      const validating = lastgood(temporary.path, ["validate", "latest"], 20_000, mark, waitMs);
      assert.equal(await validating, null);
      left = await copies();
    }
    assert.match(left, /validate/);
    assert((await backup(system, ALL, run)).valid);
    assert.equal(await copies(), "");
  });

  /** All that there is in a database, in words that can be compared. */
  const contentOf = async (database: string): Promise<string> => {
    const tables = (await server.sql("SHOW TABLES", database)).split("\n");
    const parts: string[] = [];
    for (const name of tables) {
      const quoted = `\`${name.replaceAll("`", "``")}\``;
      parts.push(
        await server.sql(`SHOW CREATE TABLE ${quoted}; SELECT * FROM ${quoted}`, database),
      );
    }
    const objects = ["TRIGGERS", "EVENTS"].map((what) => `SHOW ${what}`).join("; ");
    const routines = `SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = '${database}' ORDER BY 1`;
    parts.push(
      (await server.sql(`${objects}; ${routines}`, database)).replaceAll(
        /\d{4}-\d\d-\d\d [\d:.]+/g,
        "T",
      ),
    );
    return parts.join("\n--\n");
  };
  const schemas = async (): Promise<string[]> =>
    (await server.sql("SHOW DATABASES LIKE '%~%'")).split("\n").filter(Boolean);

  test("comes back with rows, keys, views, triggers, routines, events; undo; restic has the dump", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const then = await contentOf(database);
    const { valid, stamp, errors } = await backup(system, ALL, run);
    assert(valid, errors.join());
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
    const tables = await restic(
      system.config.repository.at,
      "dump",
      "latest",
      "stores/app/db/tables.sql",
    );
    assert.match(tables, /-- Dump completed\n/);

    const older = system.components.map((component) => ({
      ...component,
      stores: component.stores.map((one) => ({
        ...one,
        store: { ...one.store, server: async () => "10.6.1-MariaDB" },
      })),
    }));
    await assert.rejects(
      restore({ ...system, components: older }, stamp, BACK, run),
      /it is of 10\.11\..*, which is newer than 10\.6\.1-MariaDB here/,
    );
    await server.sql(
      "INSERT INTO parent VALUES (4, 'newer'); DROP VIEW above; DROP TRIGGER told; DROP PROCEDURE twice; CREATE TABLE newer (a INT); DROP TABLE audit",
      database,
    );
    const changed = await contentOf(database);
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.equal(await contentOf(database), then);
    await server.sql("DELETE FROM parent WHERE id = 1", database);
    assert.equal(
      await server.sql("SELECT count(*) FROM child", database),
      "1",
      "keys still lead to their tables",
    );
    await server.sql("CALL twice(2, @y); SELECT thrice(@y)", database);

    await throughPoint(system, `before-${back.operation}`, async () => {
      assert.equal(await contentOf(database), changed);
    });
    const undone = await undo(system, back.operation, { reason: "" }, run);
    assert.equal(undone.outcome, "committed", undone.error);
    assert.equal(await contentOf(database), changed);
    const left = (await schemas()).filter((name) => name.startsWith(`${database}~`));
    assert(
      left.every((name) => /~before-/.test(name)),
      left.join(),
    );
  });

  test("an unchanged database adds next to nothing", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const rows = Array.from({ length: 20_000 }, (_, i) => `(${i + 10}, REPEAT(MD5(${i}), 5))`);
    await server.sql(`DROP TRIGGER told; INSERT INTO parent VALUES ${rows.join(",")}`, database);
    const first = await backup(system, ALL, run);
    const second = await backup(system, ALL, run);
    assert(first.bytesAdded > 300_000, String(first.bytesAdded));
    assert(
      second.bytesAdded < first.bytesAdded / 20,
      `${second.bytesAdded} of ${first.bytesAdded}`,
    );
  });

  test("while rows are written all the time, what comes back is of one moment", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const over = new AbortController();
    let id = 100;
    const writing = (async () => {
      while (!over.signal.aborted) {
        const pairs = Array.from({ length: 20 }, () => {
          id++;
          return `START TRANSACTION; INSERT INTO parent VALUES (${id}, 'x'); INSERT INTO child (id, parent) VALUES (${id}, ${id}); COMMIT;`;
        });
        await server.sql(pairs.join(""), database);
      }
    })();
    const { stamp, valid, errors } = await backup(system, ALL, run);
    over.abort();
    await writing;
    assert(valid, errors.join());
    const { outcome, error } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "committed", error);
    const lonely =
      "SELECT count(*) FROM parent LEFT JOIN child ON child.parent = parent.id WHERE parent.id > 100 AND child.id IS NULL";
    assert.equal(await server.sql(lonely, database), "0");
  });

  test("who is still connected is told, and nothing is changed", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const { stamp } = await backup(system, ALL, run);
    await server.sql("INSERT INTO parent VALUES (9, 'newer')", database);
    const sleeping = server.sql("SELECT SLEEP(12)", database);
    const { outcome, error } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "rolled-back");
    assert.match(error!, /root has 1 connections/);
    assert.equal(await server.sql("SELECT count(*) FROM parent", database), "4");
    assert.equal(await server.sql("SELECT n FROM above", database), "3");
    await sleeping;
  });

  test("a wrong password, a server that is down, tables without transactions: invalid, with the reason", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    await writeFile(path.join(temporary.path, "db.key"), "wrong");
    const wrong = await backup(system, ALL, run);
    assert(!wrong.valid);
    assert.match(wrong.warnings.join(), /Access denied/);
    assert.doesNotMatch(JSON.stringify(wrong), /secret/);
    await writeFile(path.join(temporary.path, "db.key"), server.password);
    await server.sql("CREATE TABLE old (a INT) ENGINE = MyISAM", database);
    assert.deepEqual((await backup(system, ALL, run)).errors, [
      "db_has_tables_without_transactions",
    ]);
    await server.sql("DROP TABLE old", database);
    await server.kill();
    assert.match((await backup(system, ALL, run)).warnings.join(), /Can't connect/);
    await server.restart();
    assert((await backup(system, ALL, run)).valid);
  });

  test("the server dies in the middle of a dump: the point is invalid", async () => {
    await using temporary = await temporaryFolder();
    const [database, system] = await newDatabase(temporary.path);
    using _closed = system;
    const rows = Array.from({ length: 1000 }, (_, i) => `(${i + 10}, REPEAT('x', 200))`).join(",");
    await server.sql(`DROP TRIGGER told; INSERT INTO parent VALUES ${rows}`, database);
    for (let n = 0; n < 9; n++) {
      await server.sql(
        `INSERT INTO parent SELECT id + ${1000 * 2 ** n}, name FROM parent WHERE id >= 10`,
        database,
      );
    }
    const dying = backup(system, ALL, run);
    setTimeout(() => void server.kill(), 700);
    const { valid, errors, warnings } = await dying;
    await server.restart();
    assert(!valid, "it was over before the server died");
    assert.deepEqual(errors, ["db_unreadable"]);
    assert.match(warnings.join(), /exit code|Lost connection/);
  });
});
