import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { previewRestore, restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { put, testIn } from "./support/files.ts";
import { newSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: a store that can be made again from another is, where a point has nothing of it; what looks at
// both waits for that; and where it fails, that is told and the data that came back stay.

const run = quietRun();
const BACK = { reason: "", force: false };
const ALL = { reason: "", include: [] };

function inDatabase(folder: string, sql: string): void {
  using database = new DatabaseSync(path.join(folder, "app.db"));
  database.exec(sql);
}

/** Files in a folder, each of a row; a program makes them again of all rows. */
async function newIndexed(folder: string, script: string): Promise<System> {
  inDatabase(folder, "CREATE TABLE t (name TEXT); INSERT INTO t VALUES ('a'), ('b')");
  put(folder, { "index/a": "", "index/b": "" });
  return await newSystem(folder, {
    stores: {
      db: { sqlite: "app.db" },
      index: {
        folder: "index",
        include: "on-request",
        "derived-from": "db",
        rebuild: { command: ["sh", "-c", script], costs: "two hours, and a bill" },
      },
    },
    checks: {
      indexed: { relation: { rows: "db", query: "SELECT name, 0 FROM t", objects: "index" } },
    },
    verify: { "healthy-for": "50ms", deadline: "2s" },
  });
}

suite("rebuild", () => {
  testIn("what a point lacks is made anew, and then it has to fit", async (folder) => {
    using system = await newIndexed(folder, "rm -rf index; mkdir index; touch index/a index/b");
    const { stamp, valid } = await backup(system, ALL, run);
    assert(valid);
    inDatabase(folder, "DELETE FROM t; INSERT INTO t VALUES ('c')");
    fs.rmSync(path.join(folder, "index/a"));
    const { rebuilds, steps } = await previewRestore(system, stamp, BACK, run);
    assert.deepEqual(
      rebuilds.map(({ store, costs }) => [store, costs]),
      [["app/index", "two hours, and a bill"]],
    );
    assert.deepEqual(steps.slice(-3), ["healthy app", "rebuilt app/index", "healthy app"]);
    const told: string[] = [];
    const report: typeof run.report = (event) => {
      if (event.type === "warning") told.push(event.message);
    };
    const back = await restore(system, stamp, BACK, { ...run, report });
    assert.deepEqual(told, []);
    assert.deepEqual([back.outcome, back.stale], ["committed", []], back.error);
    assert.deepEqual(fs.readdirSync(path.join(folder, "index")).toSorted(), ["a", "b"]);
  });

  testIn("a program that fails is told, and the data that came back stay", async (folder) => {
    using system = await newIndexed(folder, "echo no more credit >&2; exit 3");
    const { stamp } = await backup(system, ALL, run);
    inDatabase(folder, "DELETE FROM t");
    fs.rmSync(path.join(folder, "index/a"));
    const told: string[] = [];
    const report: typeof run.report = (event) => {
      if (event.type === "warning") told.push(event.message);
    };
    const back = await restore(system, stamp, BACK, { ...run, report });
    assert.deepEqual([back.outcome, back.stale], ["committed", ["app/index"]], back.error);
    assert.match(told.join("\n"), /rebuilt app\/index: run sh: exit code 3: no more credit/);
    assert.match(told.join("\n"), /check indexed is bad: of 2 rows: a is missing/);
    using database = new DatabaseSync(path.join(folder, "app.db"));
    assert.equal(database.prepare("SELECT count(*) AS n FROM t").get()?.["n"], 2);
  });

  testIn("each after what it is made of, also where only the source comes back", async (folder) => {
    inDatabase(folder, "CREATE TABLE t (name TEXT); INSERT INTO t VALUES ('a')");
    put(folder, { "one/a": "", "two/a": "" });
    const made = (from: string, to: string): object => ({
      folder: to,
      "derived-from": from,
      rebuild: {
        command: ["sh", "-c", `rm -rf ${to}; mkdir ${to}; touch ${to}/a`],
        costs: "a moment",
      },
    });
    // In the configuration the other way round.
    const stores = { one: made("two", "one"), two: made("db", "two"), db: { sqlite: "app.db" } };
    using system = await newSystem(folder, { stores });
    const { stamp } = await backup(system, ALL, run);
    const options = { ...BACK, store: "app/db" };
    const { steps } = await previewRestore(system, stamp, options, run);
    const rebuilt = steps.filter((step) => step.startsWith("rebuilt"));
    assert.deepEqual(rebuilt, ["rebuilt app/two", "rebuilt app/one"]);
    const over = new AbortController();
    const report: typeof run.report = (event) => {
      if (event.type === "step.started" && event.step === "rebuilt app/two") over.abort();
    };
    const cut = await restore(system, stamp, options, { signal: over.signal, report });
    assert.equal(cut.outcome, "committed");
    assert.deepEqual([...cut.stale].toSorted(), ["app/one", "app/two"]);
  });
});
