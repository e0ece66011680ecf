import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { backup } from "../../src/operations/backup.ts";
import { doctor } from "../../src/operations/doctor.ts";
import { restore } from "../../src/operations/restore.ts";
import { status } from "../../src/operations/status.ts";
import type { System } from "../../src/operations/system.ts";
import { put, testIn } from "../support/files.ts";
import { systemWithPoint } from "../support/system.ts";
import { quietRun } from "../support/temporary.ts";

// Goal: where the data lie something else lies, or nothing can be written: that is said before it matters, of
// what, and in a restore too.

const run = quietRun();
const PLAIN = { reason: "", force: false };
const skip = process.getuid?.() !== 0 && "mounting needs root";

async function newPlace(folder: string): Promise<System> {
  put(folder, { "disk/files/a": "a" });
  fs.mkdirSync(path.join(folder, "disk/data"));
  {
    using database = new DatabaseSync(path.join(folder, "disk/data/app.db"));
    database.exec("CREATE TABLE t (a)");
  }
  return await systemWithPoint(folder, {
    stores: { db: { sqlite: "disk/data/app.db" }, files: { folder: "disk/files" } },
  });
}

const problemsOf = async (system: System): Promise<string> =>
  (await doctor(system, run)).map(({ problem }) => problem).join("\n");

suite("where the data lie", { skip, concurrency: 2 }, () => {
  testIn("a disk that is read-only", async (folder) => {
    const disk = path.join(folder, "disk");
    fs.mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128m", "tmpfs", disk]);
    try {
      using system = await newPlace(folder);
      assert.doesNotMatch(await problemsOf(system), /read-only/);
      execFileSync("mount", ["-o", "remount,ro", disk]);
      assert.match(await problemsOf(system), /app\/db: \S+ lies on a disk that is read-only/);
      const { outcome, error, hint } = await restore(system, "latest", PLAIN, run);
      assert.equal(outcome, "aborted");
      assert.match(error ?? "", /^staged app\/\w+ \S+: \/\S+: the disk is read-only$/);
      assert.match(hint ?? "", /Mount it for writing/);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  testIn("a file where their folder was; and nothing", async (folder) => {
    using system = await newPlace(folder);
    assert((await status(system, run)).ok);
    const data = path.join(folder, "disk/data");
    fs.rmSync(data, { recursive: true });
    put(folder, { "disk/data": "a file" });
    const { ok, problems } = await status(system, run);
    assert(!ok);
    assert.match(problems.join("\n"), /app\/db: \S+app\.db is not there/);
    assert.match(await problemsOf(system), /app\/db: \S+app\.db is not there/);
    const { errors } = await backup(system, { include: [], reason: "" }, run);
    assert.deepEqual(errors, ["db_missing"]);
    const refused = restore(system, "latest", PLAIN, run);
    await assert.rejects(refused, (error) => {
      assert.match((error as Error).message, new RegExp(`${data} is no folder`));
      return hasCode(error, "REFUSED");
    });
    fs.rmSync(data);
    assert.equal((await restore(system, "latest", PLAIN, run)).outcome, "committed");
    assert(fs.existsSync(path.join(data, "app.db")));
  });
});
