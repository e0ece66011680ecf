import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { stringify } from "yaml";
import { Journal } from "../../src/journal/journal.ts";
import { put, textOf } from "../support/files.ts";
import { bin, type Ended, lastgood } from "../support/lastgood.ts";
import { cannotMount, mounted } from "../support/mounted.ts";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: on the day on which Linux makes a failing disk read-only, with the data and the state on it, what is there
// can be looked at and brought elsewhere, and nothing says that all is well.

suite("a disk that became read-only", { skip: cannotMount }, () => {
  for (const where of ["another disk", "the same disk"]) {
    test(`with the repository on ${where}: it is told, and all can be read`, async (t) => {
      await using temporary = await temporaryFolder();
      const at = (below: string): string => path.join(temporary.path, below);
      using disk = mounted(at("disk"), "ext4");
      put(disk.at, { "files/a": "precious" });
      const rows = makeDatabase(path.join(disk.at, "app.db"));
      put(temporary.path, { key: "secret\n" });
      fs.mkdirSync(at("scratch"));
      t.after(setTemporary(at("scratch")));
      const repository = { at: at(where === "the same disk" ? "disk/repo" : "repo") };
      const config = {
        system: "test",
        repository: { ...repository, password: { file: at("key") } },
        copies: { off: { at: at("off"), password: { file: at("key") } } },
        components: { app: { stores: { files: { folder: "files" }, db: { sqlite: "app.db" } } } },
      };
      put(disk.at, { "lastgood.yaml": stringify(config) });
      const run = (code: number, ...args: string[]): Ended => {
        const ended = lastgood(disk.at, ...args);
        assert.equal(ended.code, code, `${args.join(" ")}: ${ended.err}${ended.out}`);
        return ended;
      };
      run(0, "init");
      const journal = path.join(disk.at, ".lastgood/journal.db");
      leaveLog(
        journal,
        () => new Journal(journal),
        () => void run(0, "backup"),
      );
      execFileSync("mount", ["-o", "remount,ro", disk.at]);
      assert.match(run(1, "status").out, /disk: the disk is read-only/);
      assert.match(run(0, "history").out, /backup +committed/);
      assert.match(run(0, "points").out, /valid/);
      assert.match(run(0, "doctor").out, /read-only/);
      run(0, "show", "latest", "--file", "/stores/app/files/files/a", "--to", at("a"));
      assert.equal(textOf(at("a")), "precious");
      run(0, "check", "--read-data");
      run(0, "copy", "off");
      // What cannot be done says why, and to what.
      const refused = run(18, "restore", "latest", "--yes");
      assert.match(refused.err, /disk\S+: the disk is read-only\n.*dmesg/);
      run(0, "validate", "latest");
      if (where === "another disk") {
        const { out, err } = run(0, "backup");
        assert.match(out, /valid/);
        assert.match(err, /write the history: the state cannot be written/);
        run(0, "show", "latest", "--file", "/stores/app/db/app.db", "--to", at("app.db"));
        using copy = new DatabaseSync(at("app.db"));
        assert.deepEqual({ ...copy.prepare("SELECT count(*) AS rows FROM t").get() }, { rows });
      }
      assert.deepEqual(fs.readdirSync(at("scratch")), []);
    });
  }
});

suite("a disk that became read-only while a restore was interrupted", { skip: cannotMount }, () => {
  test("recover touches nothing, and the application runs on", async () => {
    await using temporary = await temporaryFolder();
    const at = (below: string): string => path.join(temporary.path, below);
    using disk = mounted(at("disk"), "ext4");
    put(disk.at, { "files/a": "old" });
    put(temporary.path, { key: "secret\n" });
    const file = path.join(disk.at, "files/a");
    const check = `grep -q old ${file} && test -e armed && touch asked && sleep 30; true`;
    const app = {
      stores: { files: { folder: path.dirname(file) } },
      run: { process: ["sh", "-c", "echo $$ >pid; exec sleep 120"] },
      checks: { slow: { command: ["sh", "-c", check], timeout: "40s" } },
    };
    const repository = { at: "repo", password: { file: "key" } };
    put(temporary.path, {
      "lastgood.yaml": stringify({ system: "test", repository, components: { app } }),
    });
    const run = (code: number, ...args: string[]): Ended => {
      const ended = lastgood(temporary.path, ...args);
      assert.equal(ended.code, code, `${args.join(" ")}: ${ended.err}${ended.out}`);
      return ended;
    };
    run(0, "init");
    run(0, "start");
    run(0, "backup");
    fs.writeFileSync(file, "new");
    put(temporary.path, { armed: "" });
    await killWhen(at("asked"), temporary.path, "restore", "latest", "--yes");
    const pid = textOf(at("pid"));
    execFileSync("mount", ["-o", "remount,ro", disk.at]);
    assert.match(run(18, "recover").err, /files: the disk is read-only\n.*othing was touched/);
    process.kill(Number(pid), 0);
    assert.equal(textOf(at("pid")), pid);
    fs.rmSync(at("armed"));
    execFileSync("mount", ["-o", "remount,rw", disk.at]);
    run(0, "recover");
    run(0, "stop");
  });
});

/** Starts the program, and kills it once a file is there. */
async function killWhen(file: string, folder: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: "ignore" });
  const ended = once(child, "exit");
  while (!fs.existsSync(file) && child.exitCode === null) await setTimeout(20);
  assert(fs.existsSync(file), "it ended before");
  child.kill("SIGKILL");
  await ended;
}

function setTemporary(folder: string): () => void {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  };
}

/** Rows that stand in the database's log alone. */
function makeDatabase(file: string): number {
  {
    using database = new DatabaseSync(file);
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)");
  }
  const reading = (): DatabaseSync => {
    const database = new DatabaseSync(file);
    database.prepare("SELECT count(*) FROM t").get();
    return database;
  };
  leaveLog(file, reading, () => {
    using database = new DatabaseSync(file);
    database.exec("INSERT INTO t VALUES (1), (2), (3)");
  });
  return 3;
}

/** As a power cut leaves it: what was written last stands in the log of the database alone. */
function leaveLog(file: string, open: () => Disposable, work: () => void): void {
  {
    using _open = open();
    work();
    for (const suffix of ["", "-wal"]) fs.copyFileSync(file + suffix, `${file}.then${suffix}`);
  }
  for (const suffix of ["", "-wal"]) fs.renameSync(`${file}.then${suffix}`, file + suffix);
  assert(fs.statSync(`${file}-wal`).size > 0);
}
