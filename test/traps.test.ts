import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../src/base/errors.ts";
import { backup } from "../src/operations/backup.ts";
import { describePoint, listPoints } from "../src/operations/points/catalogue.ts";
import { restore } from "../src/operations/restore.ts";
import { keep } from "../src/operations/set-aside.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: where the procedures in use exit 0 and have done nothing or harm, lastgood does the right
// thing. Each test has the number of its trap.

const run = quietRun();
const NO_REASON = { include: [], reason: "" };
const PLAIN = { reason: "", force: false };
const SQLITE = { stores: { db: { sqlite: "data/app.db" } } };

function makeDatabase(file: string, rows: number): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY)");
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  for (let i = 0; i < rows; i++) insert.run(i);
  return database;
}

function countRows(file: string): number {
  using database = new DatabaseSync(file);
  const { n } = database.prepare("SELECT count(*) AS n FROM t").get() as { n: number };
  return n;
}

suite("traps", () => {
  test("trap-17: the log of the data that were bad does not survive a restore", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    makeDatabase(file, 100).close();
    using system = await newSystem(folder, SQLITE);
    const { stamp, valid } = await backup(system, NO_REASON, run);
    assert(valid);
    // A process that died: its log lies beside the database, full of rows nobody wants.
    const script = `const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(process.argv[1]);
      db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; DELETE FROM t");
      for (let i = 0; i < 5000; i++) db.exec("INSERT INTO t VALUES (" + (i + 1000) + ")");
      process.kill(process.pid, "SIGKILL");`;
    try {
      execFileSync(process.execPath, ["-e", script, file]);
    } catch {
      // That it dies is the point.
    }
    assert(existsSync(`${file}-wal`));
    const before = readFileSync(file);
    const log = readFileSync(`${file}-wal`);
    const result = await restore(system, stamp, PLAIN, run);
    assert.equal(result.outcome, "committed");
    assert(!existsSync(`${file}-wal`) && !existsSync(`${file}-shm`), "old log beside new data");
    assert.equal(countRows(file), 100);

    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.deepEqual(readFileSync(file), before, "undo puts back byte for byte");
    assert.deepEqual(readFileSync(`${file}-wal`), log);
    assert.equal(countRows(file), 5000);
  });

  test("trap-18: a copy of a live database has every committed row, and it ends", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    makeDatabase(file, 1000).close();
    const script = `const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(process.argv[1], { timeout: 5000 });
      db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
      let i = 1000; const insert = db.prepare("INSERT INTO t VALUES (?)");
      const go = () => { for (let k = 0; k < 50; k++) insert.run(i++); process.stdout.write(i + "\\n"); setImmediate(go); };
      go();`;
    const writer = spawn(process.execPath, ["-e", script, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let committed = 0;
    writer.stdout.on("data", (data: Buffer) => {
      committed = Number(data.toString().trim().split("\n").at(-1));
    });
    try {
      await once(writer.stdout, "data");
      using system = await newSystem(folder, SQLITE);
      const known = committed;
      const { stamp, valid } = await backup(system, NO_REASON, run);
      assert(valid);
      const { stores } = await describePoint(
        await system.repository(run),
        (await listPoints(system, run))[0]!,
        run,
      );
      const rows = stores["app/db"]!.facts!.rows!["t"]!;
      assert(rows >= known, `${rows} rows in the point, ${known} were committed before`);
      // cp of the main file alone, as the procedure has it, loses what is in the log.
      const copy = path.join(folder, "cp.db");
      copyFileSync(file, copy);
      assert(countRows(copy) < known, "the trap itself is gone: this test proves nothing");
      assert.equal((await validate(system, stamp, run)).valid, true);
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "close");
    }
  });

  test("trap-14: a restored folder is what it was: nothing newer stays in it", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const data = path.join(folder, "files");
    await mkdir(path.join(data, "sub"), { recursive: true });
    await writeFile(path.join(data, "sub", "a"), "old a");
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
    const { stamp } = await backup(system, NO_REASON, run);
    await writeFile(path.join(data, "newer"), "newer");
    await writeFile(path.join(data, "sub", "a"), "new a");
    assert.equal((await restore(system, stamp, PLAIN, run)).outcome, "committed");
    assert.deepEqual(readdirSync(data), ["sub"]);
    assert.equal(readFileSync(path.join(data, "sub", "a"), "utf8"), "old a");
    await undo(system, undefined, { reason: "" }, run);
    assert.deepEqual(readdirSync(data).toSorted(), ["newer", "sub"]);
  });

  const canMount = process.getuid?.() === 0 && existsSync("/bin/mount");
  test("trap-19: a mount point keeps its inode", { skip: !canMount && "needs root" }, async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const data = path.join(folder, "chroma");
    await mkdir(data);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", data]);
    try {
      await writeFile(path.join(data, "a"), "old");
      using system = await newSystem(folder, { stores: { files: { folder: "chroma" } } });
      const { stamp } = await backup(system, NO_REASON, run);
      const inode = statSync(data).ino;
      await writeFile(path.join(data, "a"), "new");
      await writeFile(path.join(data, "b"), "new");
      assert.equal((await restore(system, stamp, PLAIN, run)).outcome, "committed");
      assert.equal(statSync(data).ino, inode);
      assert.deepEqual(readdirSync(data), [".lastgood", "a"]);
      assert.equal(readFileSync(path.join(data, "a"), "utf8"), "old");
      // What lies there for undo is part of no point.
      const second = await backup(system, NO_REASON, run);
      assert.equal(second.bytesTotal, 3);
      assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
      assert.deepEqual(readdirSync(data).toSorted(), [".lastgood", "a", "b"]);
    } finally {
      execFileSync("umount", [data]);
    }
  });

  test("trap-20: two points in one second have two stamps", async () => {
    await using temporary = await temporaryFolder();
    await writeFile(path.join(temporary.path, "f"), "x");
    const clock = { now: () => new Date("2026-11-21T03:00:00.500Z") };
    const one = { stores: { f: { file: "f" } } };
    using system = await newSystem(temporary.path, one, {}, clock);
    const stamps = [];
    for (let i = 0; i < 3; i++) stamps.push((await backup(system, NO_REASON, run)).stamp);
    assert.deepEqual(stamps, ["20261121T030000Z", "20261121T030001Z", "20261121T030002Z"]);
  });
});

suite("points and restores", () => {
  test("what cannot be validated is marked, and never offered", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await writeFile(path.join(folder, "registry.json"), '{"projects": [');
    const stores = { registry: { file: "registry.json", format: "json" } };
    using system = await newSystem(folder, { stores });
    const { stamp, valid, errors } = await backup(system, NO_REASON, run);
    assert.equal(valid, false);
    assert.deepEqual(errors, ["registry_invalid_json"]);
    await assert.rejects(restore(system, stamp, PLAIN, run), (e) => hasCode(e, "POINT_INVALID"));
    await assert.rejects(restore(system, "latest", PLAIN, run), (e) => hasCode(e, "NOT_FOUND"));
  });

  test("a corrupt database: the point is invalid; an older one is restored, and undone raw", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    makeDatabase(file, 20_000).close();
    using system = await newSystem(folder, SQLITE);
    const good = await backup(system, NO_REASON, run);
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 8192, 40_000);
    writeFileSync(file, bytes);
    const bad = await backup(system, NO_REASON, run);
    assert.equal(bad.valid, false);
    assert.deepEqual(bad.errors, ["db_integrity_check_failed"]);
    const listed = (await listPoints(system, run)).at(-1);
    assert.deepEqual(listed?.errors, ["db_integrity_check_failed"]);
    await assert.rejects(restore(system, bad.stamp, PLAIN, run), { code: "POINT_INVALID" });
    assert.equal((await restore(system, good.stamp, PLAIN, run)).outcome, "committed");
    assert.equal(countRows(file), 20_000);
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.deepEqual(readFileSync(file), bytes);
  });

  test("a writer that died in a transaction: the copy has what was committed", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    const script = `const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(process.argv[1]);
      db.exec("PRAGMA cache_size = 5; CREATE TABLE t (a, b); BEGIN");
      for (let i = 0; i < 1000; i++) db.exec("INSERT INTO t VALUES (1, randomblob(500))");
      db.exec("COMMIT; BEGIN; UPDATE t SET a = 2, b = randomblob(600)");
      process.kill(process.pid, "SIGKILL");`;
    spawnSync(process.execPath, ["-e", script, file]);
    assert(existsSync(`${file}-journal`), "the trap itself is gone: this test proves nothing");
    using system = await newSystem(folder, SQLITE);
    const { stamp, valid } = await backup(system, NO_REASON, run);
    assert(valid);
    await rm(file);
    assert.equal((await restore(system, stamp, PLAIN, run)).outcome, "committed");
    using database = new DatabaseSync(file);
    const found = database.prepare("SELECT count(*) AS n FROM t WHERE a = 1").get();
    assert.equal(found!["n"], 1000);
  });

  test("a registry that is written in place without pause: what is valid is whole", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const file = path.join(folder, "registry.json");
    const script = `const fs = require("node:fs"); let n = 0;
      const go = () => { n++; const all = {}; for (let i = 0; i < 3000; i++) all["key" + i] = n;
        fs.writeFileSync(process.argv[1], JSON.stringify(all)); setTimeout(go, 2); }; go();`;
    const writer = spawn(process.execPath, ["-e", script, file], { stdio: "ignore" });
    try {
      while (!existsSync(file)) await sleep(10);
      const stores = { registry: { file: "registry.json", format: "json" } };
      using system = await newSystem(folder, { stores });
      for (let round = 0; round < 10; round++) {
        const { stamp, valid } = await backup(system, NO_REASON, run);
        assert.equal((await validate(system, stamp, run)).valid, valid);
      }
      assert((await listPoints(system, run)).some(({ valid }) => valid));
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "close");
    }
  });

  test("a live file that is gone: recorded as absent, and absent again after undo", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    makeDatabase(file, 10).close();
    using system = await newSystem(folder, SQLITE);
    const { stamp } = await backup(system, NO_REASON, run);
    await rm(path.join(folder, "data"), { recursive: true });
    await mkdir(path.join(folder, "data"));
    assert.equal((await restore(system, stamp, PLAIN, run)).outcome, "committed");
    assert.equal(countRows(file), 10);
    await undo(system, undefined, { reason: "" }, run);
    assert(!existsSync(file));
  });

  test("a bad check after the switch puts everything back by itself", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await writeFile(path.join(folder, "version"), "1");
    const isTwo = ["sh", "-c", `grep -q 2 ${folder}/version`];
    using system = await newSystem(folder, {
      stores: { version: { file: "version" } },
      checks: { two: { command: isTwo } },
      verify: { "healthy-for": "100ms", deadline: "1s" },
    });
    const { stamp } = await backup(system, NO_REASON, run);
    await writeFile(path.join(folder, "version"), "2");
    const { outcome, error } = await restore(system, stamp, PLAIN, run);
    assert.equal(outcome, "rolled-back");
    assert.match(error ?? "", /check two is bad/);
    assert.equal(readFileSync(path.join(folder, "version"), "utf8"), "2");
    // What the application may have written until then is in no other copy.
    const [aside] = readdirSync(path.join(folder, ".version.lastgood"));
    assert.match(aside ?? "", /^=rejected-/);
    await keep(system, system.journal.switches()[0]!.id, run);
    assert(!existsSync(path.join(folder, ".version.lastgood")));
  });

  test("a running program that nobody can stop is refused, and goes on undisturbed", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "data"));
    const file = path.join(folder, "data", "app.db");
    makeDatabase(file, 10).close();
    using system = await newSystem(folder, SQLITE);
    const { stamp } = await backup(system, NO_REASON, run);
    const reader = spawn("sh", ["-c", 'exec 9< "$0"; sleep 30', file], { stdio: "ignore" });
    try {
      await sleep(300);
      const { outcome, error } = await restore(system, stamp, PLAIN, run);
      assert.equal(outcome, "aborted");
      assert.match(
        error ?? "",
        new RegExp(`process ${reader.pid} still has its data open|still has`),
      );
    } finally {
      reader.kill("SIGKILL");
      await once(reader, "close");
    }
  });

  test("a point of other paths is refused without --force", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await writeFile(path.join(folder, "f"), "x");
    {
      using system = await newSystem(folder, { stores: { f: { file: "f" } } });
      await backup(system, NO_REASON, run);
    }
    const config = path.join(folder, "lastgood.yaml");
    writeFileSync(config, readFileSync(config, "utf8").replace("file: f", "file: g"));
    const { reopenSystem } = await import("./support/system.ts");
    using system = await reopenSystem(folder);
    await assert.rejects(restore(system, "latest", PLAIN, run), (e) => hasCode(e, "REFUSED"));
  });

  test("owner and mode are those of the configuration, else those that were", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await writeFile(path.join(folder, "f"), "x", { mode: 0o644 });
    const isRoot = process.getuid?.() === 0;
    const owner = isRoot ? { owner: "1000:1000" } : {};
    using system = await newSystem(folder, {
      stores: { f: { file: "f", mode: "0600", ...owner } },
    });
    const { stamp } = await backup(system, NO_REASON, run);
    await restore(system, stamp, PLAIN, run);
    const { mode, uid } = statSync(path.join(folder, "f"));
    assert.equal(mode & 0o777, 0o600);
    if (isRoot) assert.equal(uid, 1000);
  });
});
