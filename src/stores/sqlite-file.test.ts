import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { testIn } from "../../test/support/files.ts";
import { inspectDatabase } from "./sqlite-file.ts";

suite("a database file", () => {
  const made = (folder: string): string => {
    const file = path.join(folder, "app.db");
    using database = new DatabaseSync(file);
    database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
    const counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000)";
    database.exec(`${counting} INSERT INTO t SELECT i, printf('%200d', i) FROM n`);
    return file;
  };

  testIn("that is sound is told with its rows", async (folder) => {
    assert.deepEqual(inspectDatabase(made(folder)), { problems: [], rows: { t: 5000 } });
  });

  testIn("whose pages are lost is told in a few lines, not in one for each", async (folder) => {
    const file = made(folder);
    const bytes = readFileSync(file);
    // The root of the table: all below it is lost with it.
    bytes.write("garbage", 4096);
    writeFileSync(file, bytes);
    const { problems } = inspectDatabase(file);
    assert(
      problems.some((line) => line.includes("page 2")),
      problems.join("\n"),
    );
    assert(problems.length < 20 && problems.every((line) => !line.includes("\n")));
  });
});
