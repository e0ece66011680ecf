import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { stringify } from "yaml";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import { keep } from "../src/operations/set-aside.ts";
import { status } from "../src/operations/status.ts";
import { put, testIn, textOf } from "./support/files.ts";
import { startUntil } from "./support/killed.ts";
import { newSystem, systemWithPoint } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: killed, cut off, on full disks, on mounts and on new machines the program does what it says.
// Method: real processes, which wait for a file that the test makes, and that end with the test.

const run = quietRun();
const bin = path.resolve(import.meta.dirname, "../bin/lastgood.js");
const NO_REASON = { include: [], reason: "" };
const PLAIN = { reason: "", force: false };

const isRoot = process.getuid?.() === 0;
const FILES = { stores: { files: { folder: "files" } } };

type Work = (folder: string) => Promise<void>;
type Json = Record<string, unknown>;
type Said = { code: number | null; value: Json };

/** What a command line says; `value` is of the last JSON line, with the code of an error. */
function lastgood(folder: string, args: string[], env: NodeJS.ProcessEnv = {}): Said {
  const options = { cwd: folder, env: { ...process.env, ...env } };
  const { status: code, stdout } = spawnSync(process.execPath, [bin, ...args, "--json"], options);
  const last = JSON.parse(stdout.toString().trim().split("\n").at(-1) || "{}") as Json;
  return { code, value: (last["value"] ?? last) as Json };
}

function mounted(...args: string[]): Disposable {
  execFileSync("mount", args);
  return { [Symbol.dispose]: () => void execFileSync("umount", [args.at(-1) ?? ""]) };
}

// The kernel takes it away with the namespace.
const trial = ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
const noMounts = !(isRoot && spawnSync("unshare", trial).status === 0) && "needs root and mount";
const mountTest = (name: string, work: Work): void => testIn(name, work, noMounts);

suite("under way", () => {
  testIn("keep waits its turn, others go on, and killed it is recovered", async (folder) => {
    put(folder, { "files/old": "", "other/a": "old" });
    // After the switch the first check waits, as long as the test is there.
    const waits = "test ! -e files/old || ! mkdir w || while test -e key; do sleep 0.05; done";
    const app = {
      stores: { files: { folder: "files" } },
      checks: { c: { command: ["sh", "-c", waits], timeout: "30s" } },
      verify: { "healthy-for": "50ms" },
    };
    const other = { stores: { other: { folder: "other" } } };
    using system = await systemWithPoint(folder, {}, { components: { app, other } });
    fs.renameSync(path.join(folder, "files/old"), path.join(folder, "files/new"));
    put(folder, { "other/a": "new" });
    const args = ["restore", "latest", "--yes", "--component", "app"];
    using child = await startUntil(folder, args, "healthy app");
    await assert.rejects(keep(system, undefined, run), { code: "LOCKED" });
    assert.match((await status(system, run)).sentence, /under way/);
    const history = execFileSync(process.execPath, [bin, "history"], { cwd: folder });
    assert.match(history.toString(), /under way/);
    const beside = await restore(system, "latest", { ...PLAIN, component: "other" }, run);
    assert.equal(beside.outcome, "committed");
    assert.equal(textOf(folder, "other/a"), "old");
    child.kill("SIGKILL");
    await once(child, "close");
    const id = system.journal.unfinished()[0]?.id;
    await assert.rejects(keep(system, id, run), { code: "NEEDS_HUMAN" });
    assert.equal(lastgood(folder, ["recover"]).code, 0);
    assert.deepEqual(fs.readdirSync(path.join(folder, "files")), ["new"]);
  });

  testIn("a restore needs few open files, however many it writes", async (folder) => {
    const files = path.join(folder, "files");
    fs.mkdirSync(files);
    // Those of one content are written at the same time.
    for (let n = 0; n < 240; n++) {
      const name = path.join(files, String(n));
      if (n % 8 === 0) fs.writeFileSync(name, randomBytes(300_000));
      else fs.copyFileSync(path.join(files, String(n - (n % 8))), name);
    }
    using _system = await systemWithPoint(folder, FILES);
    fs.rmSync(files, { recursive: true });
    const limit = `ulimit -n ${70 + 40 * Math.min(8, availableParallelism())} && exec "$@"`;
    const restoring = [bin, "restore", "latest", "--yes"];
    execFileSync("sh", ["-c", limit, "sh", process.execPath, ...restoring], { cwd: folder });
    assert.equal(fs.readdirSync(files).length, 240);
  });

  const stop = { stop: ["mv", "running", "held"], start: ["mv", "held", "running"] };
  const command = { ...stop, alive: ["test", "-e", "running"] };
  for (const hold of [{ stop: true }, { "lock-file": "held" }]) {
    const work = async (folder: string, verb: string): Promise<void> => {
      const names = Array.from({ length: 400 }, (_, i) => `files/${i}`);
      put(folder, { ...Object.fromEntries(names.map((name) => [name, name])), running: "yes" });
      const stores = { files: { folder: "files", hold } };
      using system = await newSystem(folder, { stores, run: { command } });
      const killer = `import fs from "node:fs"; setInterval(() =>
        fs.statSync("held", { throwIfNoEntry: false })?.size && process.kill(process.pid, 9), 1).unref()`;
      const url = `data:text/javascript,${encodeURIComponent(killer)}`;
      assert.equal(lastgood(folder, ["backup"], { NODE_OPTIONS: `--import=${url}` }).code, null);
      assert(fs.existsSync(path.join(folder, "held")), "it was not killed while it held");
      if (verb === "recover") assert.equal(lastgood(folder, [verb]).code, 0);
      else assert((await backup(system, NO_REASON, run)).valid);
      assert.equal(fs.existsSync(path.join(folder, "held")), false);
      assert(fs.existsSync(path.join(folder, "running")));
    };
    const [how] = Object.keys(hold);
    testIn(`killed while it held by ${how}: recover lets go`, (folder) => work(folder, "recover"));
    testIn(`killed while it held by ${how}: a backup lets go`, (folder) => work(folder, "backup"));
  }

  testIn("a restore whose reader has gone comes to its end", async (folder) => {
    put(folder, { "files/a": "old" });
    using system = await systemWithPoint(folder, FILES);
    put(folder, { "files/a": "new" });
    using child = await startUntil(folder, ["restore", "latest", "--yes"], "staged app/files");
    child.stdout!.destroy();
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.equal(textOf(folder, "files/a"), "old");
    const [last] = system.journal.history(1);
    assert.deepEqual([last?.kind, last?.outcome], ["restore", "committed"]);
  });
});

suite("start and stop", () => {
  testIn("what a start leaves in the background holds nothing up", async (folder) => {
    put(folder, { "files/a": "old" });
    const start = ["sh", "-c", "sleep 60 & echo $! > pid"];
    const command = { start, stop: ["true"], alive: ["test", "-e", "pid"], "start-timeout": "5s" };
    using system = await systemWithPoint(folder, { ...FILES, run: { command } });
    try {
      const { outcome, error } = await restore(system, "latest", PLAIN, run);
      assert.equal(outcome, "committed", error);
    } finally {
      process.kill(Number(textOf(folder, "pid")), "SIGKILL");
    }
  });

  testIn("what was written until it went back lies aside until keep", async (folder) => {
    put(folder, { "files/a": "old" });
    const start = ["sh", "-c", "echo meanwhile > files/written; touch running"];
    const alive = ["test", "-e", "running"];
    using system = await systemWithPoint(folder, {
      ...FILES,
      run: { command: { start, stop: ["rm", "running"], alive } },
      checks: { new: { command: ["grep", "-q", "new", "files/a"] } },
      verify: { "healthy-for": "50ms", deadline: "500ms" },
    });
    put(folder, { "files/a": "new", running: "" });
    const { outcome, operation } = await restore(system, "latest", PLAIN, run);
    assert.equal(outcome, "rolled-back");
    assert.equal(textOf(folder, "files/a"), "new");
    const aside = path.join(folder, ".files.lastgood", `=rejected-${operation}`);
    assert.equal(textOf(aside, "files/written"), "meanwhile\n");
    // It is in no other copy: whoever wants to free it has to name it.
    await assert.rejects(keep(system, undefined, run), /there is nothing to keep/);
    await keep(system, system.journal.switches()[0]!.id, run);
    assert.equal(fs.existsSync(aside), false);
  });
});

suite("places", () => {
  testIn("files of one name are both exported; a failing export is told", async (folder) => {
    put(folder, { "a/one.json": "a", "b/one.json": "b" });
    const stores = { a: { file: "a/one.json" }, b: { file: "b/one.json" } };
    using system = await systemWithPoint(folder, { stores }, { export: { at: "exported" } });
    const found = fs.readdirSync(path.join(folder, "exported"), { recursive: true }) as string[];
    const files = found.filter((name) => name.endsWith("one.json"));
    const texts = files.map((name) => textOf(folder, "exported", name));
    assert.deepEqual(texts.toSorted(), ["a", "b"]);
    fs.rmSync(path.join(folder, "exported"), { recursive: true });
    put(folder, { exported: "a file" });
    const { valid, warnings } = await backup(system, NO_REASON, run);
    assert(valid);
    assert.match(warnings.join(), /^export: /);
  });

  testIn("a new machine is left alone by --plan; then folders are as they were", async (folder) => {
    const home = path.join(folder, "srv", "app");
    put(home, { "data/files/a": "old" });
    fs.chmodSync(path.join(home, "data"), 0o710);
    if (isRoot) fs.chownSync(path.join(home, "data"), 1000, 1000);
    using _system = await systemWithPoint(home, { stores: { files: { folder: "data/files" } } });
    for (const name of ["repository", "key"]) {
      fs.renameSync(path.join(home, name), path.join(folder, name));
    }
    fs.rmSync(path.join(folder, "srv"), { recursive: true });
    const args = ["restore", "latest", "--repository", "repository", "--password-file", "key"];
    assert.equal(lastgood(folder, [...args, "--plan"]).code, 0);
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ["key", "repository"]);
    assert.equal(lastgood(folder, [...args, "--yes"]).code, 0);
    assert.equal(textOf(home, "data/files/a"), "old");
    const { mode, uid, gid } = fs.statSync(path.join(home, "data"));
    assert.equal(mode & 0o7777, 0o710);
    if (isRoot) assert.deepEqual([uid, gid], [1000, 1000]);
  });

  testIn("init finds stores beside a database, and makes what is configured", async (folder) => {
    put(folder, { "app/data/app.db": "SQLite format 3\0", "app/data/registry.json": "{}" });
    put(folder, { "app/data/uploads/a": "a", "own/key": "secret" });
    const found = lastgood(folder, ["init", "app"]).value["found"] as Json;
    assert.deepEqual(found["folders"], [path.join(folder, "app/data/uploads")]);
    assert.deepEqual(found["leftOut"], [path.join(folder, "app/data/registry.json")]);
    const password = { file: "key" };
    const copies = { off: { at: "two", password } };
    const config = { system: "own", repository: { at: "one", password }, copies, components: {} };
    put(folder, { "own/lastgood.yaml": stringify(config) });
    assert.equal(lastgood(folder, ["init", "own"]).code, 0);
    for (const at of ["one", "two"]) assert(textOf(folder, "own", at, "config") !== "");
    const named = [
      /own\/one\nKey file: +\S+own\/key\n/,
      /Copy "off": +\S+own\/two\nIts key: +\S+own\/key\n/,
    ];
    for (const name of named) assert.match(textOf(folder, "own/lastgood-recovery.txt"), name);
    const keyless = {
      ...config,
      copies: {},
      repository: { at: "one", password: { file: "a/key" } },
    };
    put(folder, { "keyless/lastgood.yaml": stringify(keyless) });
    assert.equal(lastgood(folder, ["init", "keyless"]).code, 0);
    assert.match(textOf(folder, "keyless/a/key"), /^[\w-]{43}\n$/);
    assert.equal(fs.statSync(path.join(folder, "keyless/a/key")).mode & 0o777, 0o600);
    assert.match(textOf(folder, "keyless/lastgood-recovery.txt"), /keyless\/a\/key/);
    fs.rmSync(path.join(folder, "keyless/a/key"));
    const lost = lastgood(folder, ["init", "keyless"]).value["code"];
    assert.equal(lost, "NOT_FOUND", "a key that was lost is not replaced");
    assert.equal(lastgood(folder, ["init", "none"]).value["code"], "NOT_FOUND");
    assert.equal(fs.existsSync(path.join(folder, "none")), false);
  });

  testIn("install writes the unit of the service once there is anything for it", async (folder) => {
    put(folder, { "files/a": "a" });
    const unitsOf = (): string => JSON.stringify(lastgood(folder, ["install", "--plan"]).value);
    using _system = await newSystem(folder, FILES);
    assert.doesNotMatch(unitsOf(), / serve"/);
    fs.appendFileSync(path.join(folder, "lastgood.yaml"), "serve: {}\n");
    assert.match(unitsOf(), /lastgood-test\.service/);
  });

  testIn("reasons of backup, keep and prune are in the history", async (folder) => {
    put(folder, { "files/a": "a" });
    using _system = await newSystem(folder, FILES);
    const lines = [["backup"], ["keep", "--pin", "latest"], ["prune"]];
    for (const line of lines) lastgood(folder, [...line, "--reason", `why ${line[0]}`]);
    const { operations } = lastgood(folder, ["history"]).value as { operations: Json[] };
    const reasons = operations.map(({ reason }) => reason);
    assert.deepEqual(reasons, ["why prune", "why keep", "why backup"]);
  });
});

suite("mounts", () => {
  mountTest("a mount in a folder refuses its restore", async (folder) => {
    put(folder, { "files/a": "old", "files/sub/hidden": "" });
    using _mount = mounted("-t", "tmpfs", "tmpfs", path.join(folder, "files/sub"));
    using system = await systemWithPoint(folder, FILES);
    put(folder, { "files/a": "new" });
    await assert.rejects(restore(system, "latest", PLAIN, run), { code: "REFUSED" });
    assert.equal(textOf(folder, "files/a"), "new");
  });

  mountTest("a folder that is a bind mount keeps its inode", async (folder) => {
    put(folder, { "real/a": "old", "files/hidden": "" });
    using _mount = mounted("--bind", path.join(folder, "real"), path.join(folder, "files"));
    using system = await systemWithPoint(folder, FILES);
    const { ino } = fs.statSync(path.join(folder, "files"));
    put(folder, { "files/a": "new" });
    assert.equal((await restore(system, "latest", PLAIN, run)).outcome, "committed");
    assert.equal(fs.statSync(path.join(folder, "files")).ino, ino);
    assert.equal(textOf(folder, "real/a"), "old");
  });

  mountTest("a state folder without space is NO_SPACE", async (folder) => {
    using database = new DatabaseSync(path.join(folder, "app.db"));
    database.exec("CREATE TABLE t AS SELECT zeroblob(8000000)");
    fs.mkdirSync(path.join(folder, "state"));
    using _mount = mounted("-t", "tmpfs", "-o", "size=2m", "tmpfs", path.join(folder, "state"));
    const stores = { db: { sqlite: "app.db" } };
    using system = await newSystem(folder, { stores }, { state: "state" });
    await assert.rejects(backup(system, NO_REASON, run), { code: "NO_SPACE" });
  });
});
