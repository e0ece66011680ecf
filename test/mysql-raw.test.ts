import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { hasMariadb, type Mariadb, startMariadb, systemOf } from "./support/mariadb.ts";
import { restic, resticVersion } from "./support/restic.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: rows that are dumped as bytes come back to the byte, whatever characters they are made of; where a
// type does not bear it, they are dumped as text.

const skip = skipWithout(hasMariadb(), "mariadb-server") || skipWithout(resticVersion(), "restic");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };
const ASCII = "CONCAT('\\0\\n\\r\\t\\Z\\\\\\\"''`%_', CHAR(1, 8, 27, 127))";

/** Tables whose text differs from the text of the connection, in the rows and in the definitions. */
const TEXT = `
CREATE TABLE \`größe 日本\` (id INT PRIMARY KEY AUTO_INCREMENT, \`straße\` VARCHAR(20) DEFAULT 'ä€🎉' COMMENT 'süß') CHARACTER SET utf8mb4 COMMENT 'Maß';
INSERT INTO \`größe 日本\` (\`straße\`) VALUES (DEFAULT), (''), (NULL), (${ASCII});
CREATE TABLE old (e ENUM('ä', 'ö') DEFAULT 'ä', s SET('é', 'ü') DEFAULT 'ü', t TEXT, v VARCHAR(9) DEFAULT 'ñ', c CHAR(5)) CHARACTER SET latin1;
INSERT INTO old VALUES (DEFAULT, DEFAULT, 'naïve', DEFAULT, 'x'), ('ö', 'é,ü', ${ASCII}, '', ''), (NULL, '', NULL, NULL, NULL);
CREATE TABLE wide (a VARCHAR(40) CHARACTER SET utf16, b TEXT CHARACTER SET ucs2, c CHAR(3) CHARACTER SET utf32, d ENUM('ж', 'я') CHARACTER SET utf16);
INSERT INTO wide VALUES ('🎉''\\\\', 'ab''ж', 'ц', 'я'), ('', '', '', NULL), (${ASCII}, ${ASCII}, '', 'ж');
CREATE TABLE east (a VARCHAR(40) CHARACTER SET gbk, b VARCHAR(40) CHARACTER SET sjis, c VARCHAR(40) CHARACTER SET big5, d VARCHAR(40) CHARACTER SET ujis, e VARCHAR(40) CHARACTER SET cp1251);
INSERT INTO east VALUES (0xBF5C27, 0x835C5C, 0xA55CA45C, '日本', 'жя'), (${ASCII}, ${ASCII}, ${ASCII}, ${ASCII}, ${ASCII});
CREATE TABLE bytes (a BINARY(4), b VARBINARY(300), c BLOB, d LONGBLOB);
INSERT INTO bytes SELECT CHAR(seq), CONCAT(CHAR(seq), CHAR(255 - seq)), REPEAT(CHAR(seq), seq), NULL FROM seq_0_to_255;
INSERT INTO bytes VALUES ('', '', '', RANDOM_BYTES(1024)), (NULL, NULL, NULL, REPEAT(RANDOM_BYTES(1000), 300));
CREATE TABLE numbers (a TINYINT UNSIGNED, b BIGINT, c DECIMAL(30, 10), d DOUBLE, e FLOAT, f DATE, g DATETIME(6), h TIMESTAMP(3) NULL, i TIME(2), j YEAR, k MEDIUMINT ZEROFILL, l INT AS (a + 1) VIRTUAL, m BOOLEAN, CHECK (a < 250));
INSERT INTO numbers (a, b, c, d, e, f, g, h, i, j, k, m) VALUES (249, -9223372036854775808, 12345678901234567890.0123456789, PI() * 1e100, 0.1, '2024-02-29', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07.999', '-838:59:59.99', 1901, 7, TRUE), (NULL, NULL, NULL, -0.0, NULL, '0000-00-00', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE json (a JSON, b LONGTEXT); INSERT INTO json VALUES ('{"ä": "🎉\\\\n"}', NULL);
CREATE TABLE empty (a INT);
`;

/** Types that take a string of bytes for something else. */
const OTHER: Readonly<Record<string, string>> = {
  uuid: "CREATE TABLE o (a UUID, t TEXT); INSERT INTO o VALUES (UUID(), 'ä'), (NULL, '')",
  inet6: "CREATE TABLE o (a INET6, t TEXT); INSERT INTO o VALUES ('::1', 'ä'), ('fe80::1', '')",
  bit: "CREATE TABLE o (a BIT(10), t TEXT); INSERT INTO o VALUES (b'1000100111', 'ä'), (NULL, '')",
  shape:
    "CREATE TABLE o (a POINT NOT NULL, t TEXT); INSERT INTO o VALUES (ST_GeomFromText('POINT(1 39)'), 'ä')",
  sequence:
    "CREATE SEQUENCE n; CREATE TABLE o (a INT, t TEXT); INSERT INTO o VALUES (NEXTVAL(n), 'ä')",
};

suite("mysql: rows as bytes", { skip, timeout: 300_000 }, () => {
  let server: Mariadb;
  before(async () => {
    server = await startMariadb();
  });
  after(async () => await server[Symbol.asyncDispose]());

  let made = 0;
  async function newDatabase(folder: string, statements: string): Promise<[string, System]> {
    const database = `raw_${++made}`;
    await server.sql(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    await server.sql(`SET sql_mode = ''; ${statements}`, database);
    return [database, await systemOf(server, folder, database)];
  }

  /** Definitions, and the bytes of all rows. */
  const contentOf = async (database: string): Promise<string> => {
    const names = (await server.sql("SHOW TABLES", database)).split("\n");
    const parts = names.map(async (name) => {
      const quoted = `\`${name}\``;
      const columns = await server.sql(
        `SELECT GROUP_CONCAT('HEX(\`', column_name, '\`)' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = '${database}' AND table_name = '${name}'`,
      );
      const rows = `SELECT ${columns} FROM ${quoted} ORDER BY 1, 2`;
      const all = `SHOW CREATE TABLE ${quoted}; CHECKSUM TABLE ${quoted}; ${columns.includes(",") ? rows : ""}`;
      return await server.sql(all, database);
    });
    return (await Promise.all(parts)).join("\n--\n");
  };

  const cases = { "text of many kinds": TEXT, ...OTHER };
  for (const [name, statements] of Object.entries(cases)) {
    test(`${name} comes back`, async () => {
      await using temporary = await temporaryFolder();
      const [database, system] = await newDatabase(temporary.path, statements);
      using _closed = system;
      const then = await contentOf(database);
      const { stamp, valid, errors } = await backup(system, ALL, run);
      assert(valid, errors.join());
      const at = system.config.repository.at;
      const dump = await restic(at, "dump", "latest", "stores/app/db/tables.sql");
      const isRaw = statements === TEXT;
      assert.equal(dump.includes("SET NAMES binary"), isRaw);
      assert.equal(dump.match(/^-- Dump completed$/gm)?.length, isRaw ? 2 : 1);
      const tables = await server.sql("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'", database);
      for (const line of tables.split("\n")) {
        await server.sql(`DELETE FROM \`${line.split("\t")[0]}\``, database);
      }
      const { outcome, error } = await restore(system, stamp, BACK, run);
      assert.equal(outcome, "committed", error);
      assert.equal(await contentOf(database), then);
    });
  }

  /** What comes between the definitions and the rows, by what it makes of a table. */
  const MIGRATIONS: Readonly<Record<string, string>> = {
    "a column more": "ALTER TABLE t ADD COLUMN late INT FIRST",
    "an index less": "ALTER TABLE t DROP INDEX a; INSERT INTO t (id, a) VALUES (2, 'a')",
    "a column that may be empty": "ALTER TABLE t MODIFY a VARCHAR(9) NULL",
    "another collation": "ALTER TABLE t MODIFY a VARCHAR(9) COLLATE utf8mb4_bin NOT NULL",
    "a check less": "ALTER TABLE t DROP CONSTRAINT c",
    "a table more": "CREATE TABLE u (a INT)",
  };
  const ROWS = "INSERT INTO t (a) VALUES ('between')";
  for (const [name, statements] of Object.entries({ ...MIGRATIONS, "rows only": ROWS })) {
    test(`between the definitions and the rows: ${name}`, async () => {
      await using temporary = await temporaryFolder();
      const table =
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(9) NOT NULL, UNIQUE (a), CONSTRAINT c CHECK (a <> 'x')); INSERT INTO t (a) VALUES ('a')";
      const [database, system] = await newDatabase(temporary.path, table);
      using _closed = system;
      const programs = path.join(temporary.path, "programs");
      await mkdir(programs);
      await writeFile(path.join(programs, "between.sql"), statements);
      // The real one, and what comes just after it has dumped the definitions for the first time.
      const between = `mariadb --no-defaults --socket=${server.socket} --user=root ${database} < between.sql`;
      const once = `cd ${programs} && mv between.sql once.sql && ${between.replace("between.sql", "once.sql")}`;
      const script = `#!/bin/sh\n/usr/bin/mariadb-dump "$@" || exit\ncase "$*" in *"--no-data --skip-triggers"*) [ ! -e ${programs}/between.sql ] || (${once}) ;; esac\n`;
      await writeFile(path.join(programs, "mariadb-dump"), script, { mode: 0o755 });
      const { PATH } = process.env;
      process.env["PATH"] = `${programs}:${PATH}`;
      try {
        const { valid, errors, warnings } = await backup(system, ALL, run);
        assert.equal(valid, statements === ROWS);
        if (!valid) assert.deepEqual(errors, ["db_unreadable"]);
        if (!valid) assert.match(warnings.join(), /its tables were changed meanwhile/);
      } finally {
        process.env["PATH"] = PATH;
      }
      assert(existsSync(path.join(programs, "once.sql")));
      assert((await backup(system, ALL, run)).valid);
    });
  }
});

suite("mysql: servers that do not listen", { skip, timeout: 300_000 }, () => {
  const servers: Readonly<Record<string, readonly string[]>> = {
    "their own characters for everybody": [
      "--character-set-server=latin1",
      "--skip-character-set-client-handshake",
    ],
    "names in quotes, plain backslashes": ["--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES"],
  };
  for (const [name, options] of Object.entries(servers)) {
    test(`${name}: a database comes back`, async () => {
      await using server = await startMariadb(options);
      await using temporary = await temporaryFolder();
      await server.sql("CREATE DATABASE own CHARACTER SET utf8mb4");
      const table =
        "SET NAMES utf8mb4; SET sql_mode = ''; CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b VARCHAR(9) CHARACTER SET latin1, c BLOB); INSERT INTO t VALUES (1, 'ä€\\\\', 'ä', 0xE4FF00)";
      await server.sql(table, "own");
      using system = await systemOf(server, temporary.path, "own");
      const content = async (): Promise<string> =>
        await server.sql("SELECT HEX(a), HEX(b), HEX(c) FROM t", "own");
      const then = await content();
      const { stamp, valid, errors } = await backup(system, ALL, run);
      assert(valid, errors.join());
      await server.sql("DELETE FROM t", "own");
      const { outcome, error } = await restore(system, stamp, BACK, run);
      assert.equal(outcome, "committed", error);
      assert.equal(await content(), then);
    });
  }
});
