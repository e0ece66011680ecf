import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { lastgood } from "./support/killed.ts";
import { EXHAUSTIVE_STEP } from "./support/exhaustive.ts";
import { newSystem, reopenSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a real lastgood, killed by SIGKILL at a random moment of a restore, is followed by a recover
// that ends with all stores at the old data or all at the new.
// Method: real processes on real files; the moments are random and printed when one fails.

const run = quietRun();
const ROUNDS = EXHAUSTIVE_STEP === 1 ? 16 : 6;

function setDatabase(file: string, word: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
  using database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (word TEXT)");
  for (let i = 0; i < 500; i++) database.prepare("INSERT INTO t VALUES (?)").run(word);
}

function wordIn(file: string): string {
  using database = new DatabaseSync(file, { readOnly: true });
  const words = database.prepare("SELECT word, count(*) AS n FROM t GROUP BY word").all();
  return words.map((row) => `${String(row["word"])}×${String(row["n"])}`).join("+");
}

test("killed at random moments, twice, a restore ends whole", async (t) => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  const database = path.join(folder, "data", "app.db");
  const index = path.join(folder, "index");
  const flag = path.join(folder, "running");
  await mkdir(path.join(folder, "data"));
  await mkdir(index);
  setDatabase(database, "point");
  await writeFile(path.join(index, "word"), "point");
  const control = { start: ["touch", flag], stop: ["rm", "-f", flag], alive: ["test", "-e", flag] };
  let stamp: string;
  {
    using system = await newSystem(folder, {
      run: { command: control },
      stores: { db: { sqlite: "data/app.db" }, index: { folder: "index" } },
      checks: { alive: { runner: true } },
      verify: { "healthy-for": "100ms", deadline: "10s" },
    });
    ({ stamp } = await backup(system, { include: [], reason: "" }, run));
  }
  const outcomes: Record<string, number> = {};
  let longestMs = 1500;
  for (let round = 0; round < ROUNDS; round++) {
    setDatabase(database, "live");
    await writeFile(path.join(index, "word"), "live");
    await writeFile(flag, "");
    const killMs = round === 0 ? undefined : Math.random() * longestMs;
    const startedMs = performance.now();
    await lastgood(folder, ["restore", stamp, "--yes"], killMs);
    if (killMs === undefined) longestMs = performance.now() - startedMs;
    const againMs = Math.random() * longestMs * 0.7;
    await lastgood(folder, ["recover"], againMs);
    assert.equal(await lastgood(folder, ["recover"]), 0);
    const what = `killed at ${killMs} ms, and in recover at ${againMs} ms`;
    const state = `${wordIn(database)} ${readFileSync(path.join(index, "word"), "utf8")}`;
    assert.match(state, /^(live×500 live|point×500 point)$/, what);
    assert(existsSync(flag), `${what}: the application is down`);
    using system = await reopenSystem(folder);
    assert.deepEqual(system.journal.unfinished(), [], what);
    outcomes[state] = (outcomes[state] ?? 0) + 1;
    for (const { id } of system.journal.history(1)) {
      await lastgood(folder, ["keep", id]);
    }
    rmSync(path.join(folder, "data", ".app.db.lastgood"), { recursive: true, force: true });
    rmSync(path.join(folder, ".index.lastgood"), { recursive: true, force: true });
  }
  using system = await reopenSystem(folder);
  const { errors } = await (await system.repository(run)).check({ readData: "all" }, run);
  assert.deepEqual(errors, []);
  assert.deepEqual(readdirSync(path.join(folder, "repository", "locks")), []);
  t.diagnostic(`${ROUNDS} rounds, 0 violations: ${JSON.stringify(outcomes)}`);
});
