import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, statfsSync, writeSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { backup } from "../../src/operations/backup.ts";
import { restore } from "../../src/operations/restore.ts";
import { EXHAUSTIVE_STEP } from "../support/exhaustive.ts";
import { lastgood } from "../support/lastgood.ts";
import { newSystem } from "../support/system.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: a disk that fills up, at whatever write, is told in one line, and nothing is lost.
// Method: a tmpfs of limited size, with less and less room in it.

const run = quietRun();
const skip = process.getuid?.() !== 0 && "mounting needs root";
const KIB = 1024;

suite("a disk that fills up", { skip }, () => {
  test("in the repository, at any write: NO_SPACE, and all older points stay sound", async (t) => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const disk = path.join(folder, "repository");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=320m", "tmpfs", disk]);
    try {
      await mkdir(path.join(folder, "files"));
      await writeFile(path.join(folder, "files", "a"), randomBytes(1024 * KIB));
      using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
      const first = await backup(system, { include: [], reason: "" }, run);
      let failed = 0;
      for (let room = 0; room < 6000; room += 150 * EXHAUSTIVE_STEP) {
        await writeFile(path.join(folder, "files", "b"), randomBytes(3000 * KIB));
        const { bavail, bsize } = statfsSync(disk);
        await writeFile(path.join(disk, "ballast"), Buffer.alloc(bavail * bsize - room * KIB));
        try {
          await backup(system, { include: [], reason: "" }, run);
        } catch (error) {
          assert(hasCode(error, "NO_SPACE"), String(error));
          assert(String(error).includes(disk), `on which disk: ${String(error)}`);
          failed++;
        }
        await rm(path.join(disk, "ballast"));
        assert.deepEqual(readdirSync(path.join(disk, "locks")), [], `a lock is left, ${room} KiB`);
        const repository = await system.repository(run);
        assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
        await repository.prune("do", run);
      }
      assert(failed > 0, "the disk never was full: this test proves nothing");
      t.diagnostic(`${failed} backups failed`);
      assert.equal(
        (await restore(system, first.stamp, { reason: "", force: false }, run)).outcome,
        "committed",
      );
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  test("where the data are: a restore is refused before anything happens", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const disk = path.join(folder, "data");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
    try {
      const file = path.join(disk, "files", "a");
      await mkdir(path.dirname(file));
      await writeFile(file, randomBytes(20 * KIB * KIB));
      using system = await newSystem(folder, { stores: { files: { folder: "data/files" } } });
      const { stamp } = await backup(system, { include: [], reason: "" }, run);
      await writeFile(file, "live");
      await writeFile(path.join(disk, "ballast"), Buffer.alloc(40 * KIB * KIB));
      const refused = restore(system, stamp, { reason: "", force: false }, run);
      await assert.rejects(refused, (error) => hasCode(error, "NO_SPACE"));
      assert.equal(readFileSync(file, "utf8"), "live");
      assert.deepEqual(system.journal.unfinished(), []);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  test("where the state is too: status and history answer, and keep makes room", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const disk = path.join(folder, "disk");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
    try {
      const files = { stores: { files: { folder: "disk/files" } } };
      await mkdir(path.join(disk, "files"));
      await writeFile(path.join(disk, "files", "a"), randomBytes(KIB * KIB));
      {
        using system = await newSystem(folder, files, { state: "disk/state" });
        const { stamp } = await backup(system, { include: [], reason: "" }, run);
        const { outcome } = await restore(system, stamp, { reason: "", force: false }, run);
        assert.equal(outcome, "committed");
      }
      fill(disk);
      for (const verb of ["status", "history", "points"]) {
        const { code, out } = lastgood(folder, verb);
        const isStatus = verb === "status";
        assert.equal(code, isStatus ? 1 : 0);
        assert.match(out, isStatus ? /state: the disk is full/ : /20\d{6}T\d{6}Z/);
      }
      // What needs room says so, and changes nothing.
      assert.equal(lastgood(folder, "restore", "latest", "--yes").code, 17);
      const served = lastgood(folder, "serve");
      assert.equal(served.code, 17, served.err);
      const kept = lastgood(folder, "keep");
      assert.equal(kept.code, 0, kept.err);
      const { bavail, bsize } = statfsSync(disk);
      assert(bavail * bsize > 900 * KIB, `${bavail * bsize} bytes`);
      assert.match(lastgood(folder, "history").out, /keep/);

      fill(disk, "more");
      await rm(path.join(disk, "state"), { recursive: true });
      fill(disk, "rest");
      assert.equal(lastgood(folder, "status").code, 17);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

/** Until not a byte more has room. */
function fill(disk: string, name = "ballast"): void {
  const file = openSync(path.join(disk, name), "w");
  for (const bytes of [KIB * KIB, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(bytes));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
  closeSync(file);
}
