import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { recover, recoverable } from "../src/operations/recover.ts";
import { recordDone } from "../src/operations/record.ts";
import { restore } from "../src/operations/restore.ts";
import { keep } from "../src/operations/set-aside.ts";
import { status } from "../src/operations/status.ts";
import { undo } from "../src/operations/undo.ts";
import { newSystem, reopenSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: what an operation moved aside or holds is found again, whatever happened in between, and
// nothing outside of a store is touched.

const run = quietRun();
const NO_REASON = { include: [], reason: "" };
const PLAIN = { reason: "", force: false };
const isRoot = process.getuid?.() === 0;

async function filesIn(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
}

suite("what is set aside", () => {
  test("undo and keep find it behind a thousand backups", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "files/a": "old" });
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
    const { stamp } = await backup(system, NO_REASON, run);
    await filesIn(folder, { "files/a": "new" });
    await restore(system, stamp, PLAIN, run);
    for (let i = 0; i < 1100; i++) recordDone(system, "backup", "", undefined);
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.equal(readFileSync(path.join(folder, "files/a"), "utf8"), "new");
  });

  test("half of it is not undone, and a store that lies elsewhere by now is not either", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "one/a": "old", "real/b": "old" });
    await symlink("real", path.join(folder, "two"));
    const stores = { one: { folder: "one" }, two: { folder: "two" } };
    using system = await newSystem(folder, { stores });
    const { stamp } = await backup(system, NO_REASON, run);
    await restore(system, stamp, PLAIN, run);
    await rm(path.join(folder, "two"));
    await filesIn(folder, { "elsewhere/b": "live" });
    await symlink("elsewhere", path.join(folder, "two"));
    using moved = await reopenSystem(folder);
    await assert.rejects(undo(moved, undefined, { reason: "" }, run), { code: "REFUSED" });
    await rm(path.join(folder, ".one.lastgood"), { recursive: true });
    await assert.rejects(undo(moved, undefined, { reason: "" }, run), { code: "NOT_FOUND" });
    await keep(moved, undefined, run);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => /\w\.lastgood$/.test(name)),
      [],
    );
  });

  test("a single file is what lies in the store: a link there is replaced, not followed", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "up/2026/c": "the contract", outside: "of somebody else" });
    using system = await newSystem(folder, { stores: { up: { folder: "up" } } });
    const { stamp } = await backup(system, NO_REASON, run);
    const file = path.join(folder, "up/2026/c");
    await rm(file);
    await symlink("../../outside", file);
    assert.equal((await restore(system, stamp, { ...PLAIN, file }, run)).outcome, "committed");
    assert.equal(readFileSync(path.join(folder, "outside"), "utf8"), "of somebody else");
    assert(lstatSync(file).isFile());
    await undo(system, undefined, { reason: "" }, run);
    assert.equal(await readlink(file), "../../outside");
    await rm(path.join(folder, "up/2026"), { recursive: true });
    await mkdir(path.join(folder, "up/real"));
    await symlink("real", path.join(folder, "up/2026"));
    await assert.rejects(restore(system, stamp, { ...PLAIN, file }, run), { code: "REFUSED" });
  });

  test("a folder that is gone comes back with its mode around a single file", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "up/..odd/c": "text" });
    chmodSync(path.join(folder, "up/..odd"), 0o750);
    using system = await newSystem(folder, { stores: { up: { folder: "up" } } });
    const { stamp } = await backup(system, NO_REASON, run);
    await rm(path.join(folder, "up/..odd"), { recursive: true });
    const file = path.join(folder, "up/..odd/c");
    assert.equal((await restore(system, stamp, { ...PLAIN, file }, run)).outcome, "committed");
    assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o750);
  });
});

suite("what is held and who uses it", () => {
  test("a release that fails is neither forgotten nor hidden, and recover tries it again", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "files/a": "a" });
    const allowed = path.join(folder, "allowed");
    const held = path.join(folder, "held");
    const acquire = ["touch", held];
    const release = ["sh", "-c", `test -e ${allowed} && rm -f ${held}`];
    const hold = { command: { acquire, release } };
    using system = await newSystem(folder, { stores: { files: { folder: "files", hold } } });
    await assert.rejects(backup(system, NO_REASON, run));
    assert(existsSync(held));
    const first = await recover(recoverable(system), run);
    assert.deepEqual(
      first.operations.map(({ outcome }) => outcome),
      ["needs-human"],
    );
    recordDone(system, "backup", "", undefined);
    assert.equal((await status(system, run)).ok, false);
    await writeFile(allowed, "");
    await recover(recoverable(system), run);
    assert(!existsSync(held));
    assert.deepEqual((await status(system, run)).needsHuman, []);
  });

  test("frozen copies have the modes of their folders", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await filesIn(folder, { "files/sub/a": "a" });
    await chmod(path.join(folder, "files"), 0o2775);
    await chmod(path.join(folder, "files/sub"), 0o2770);
    const app = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      await writeFile(path.join(folder, "pid"), String(app.pid));
      const hold = { freeze: { "pid-file": "pid" } };
      using system = await newSystem(folder, { stores: { files: { folder: "files", hold } } });
      const { stamp } = await backup(system, NO_REASON, run);
      await rm(path.join(folder, "files"), { recursive: true });
      await restore(system, stamp, PLAIN, run);
      assert.equal(statSync(path.join(folder, "files")).mode & 0o7777, 0o2775);
      assert.equal(statSync(path.join(folder, "files/sub")).mode & 0o7777, 0o2770);
    } finally {
      await end(app);
    }
  });

  const skip = !isRoot && "needs root for a namespace";
  test(
    "a process in another namespace is seen by its files, and others do no harm",
    { skip },
    async () => {
      await using temporary = await temporaryFolder();
      const folder = temporary.path;
      await filesIn(folder, { "files/sub/a": "old", elsewhere: "x" });
      using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
      const { stamp } = await backup(system, NO_REASON, run);
      const inNamespace = (file: string): ChildProcess =>
        spawn("unshare", ["-m", "sh", "-c", `exec sleep 60 < "$1"`, "sh", file], {
          stdio: "ignore",
        });
      const harmless = inNamespace(path.join(folder, "elsewhere"));
      try {
        await asleep(harmless.pid!);
        assert.equal((await restore(system, stamp, PLAIN, run)).outcome, "committed");
      } finally {
        await end(harmless);
      }
      const user = inNamespace(path.join(folder, "files/sub/a"));
      try {
        await asleep(user.pid!);
        const { outcome, error } = await restore(system, stamp, PLAIN, run);
        assert.equal(outcome, "aborted");
        assert.match(error ?? "", new RegExp(`process ${user.pid} still has its data open`));
      } finally {
        await end(user);
      }
    },
  );
});

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "close");
}

/** unshare and sh have become sleep. */
async function asleep(pid: number): Promise<void> {
  while (!readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep")) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
