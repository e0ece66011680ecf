import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { restic, resticJson, resticVersion } from "../support/restic.ts";
import { skipWithout } from "../support/servers.ts";
import { newSystem } from "../support/system.ts";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: several programs at one repository, and a writer at the data: nobody is killed by another's
// question, nobody spoils what another wrote, and restic finds everything sound.

const bin = path.resolve(import.meta.dirname, "../../bin/lastgood.js");
const skip = skipWithout(resticVersion(), "restic");

type Ended = { readonly code: number | null; readonly last: Record<string, unknown> };

async function lastgood(folder: string, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args, "--json"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, [code]] = await Promise.all([
    Array.fromAsync(child.stdout),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, last: JSON.parse(output.join("").trimEnd().split("\n").at(-1)) };
}

async function appearsIn(folder: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (existsSync(folder) && (await readdir(folder)).length > 0) return;
    await sleep(10);
  }
  throw new Error(`nothing came into ${folder}`);
}

const SLOW = {
  stores: {
    files: {
      folder: "files",
      hold: { command: { acquire: ["sleep", "1.5"], release: ["true"] } },
    },
  },
};

async function makeFiles(folder: string): Promise<void> {
  await mkdir(path.join(folder, "files"));
  for (let i = 0; i < 20; i++) {
    await writeFile(path.join(folder, "files", `f${i}`), randomBytes(500_000));
  }
}

suite("several programs at once", { skip }, () => {
  test("restic unlock asks whether we live, and we do", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await makeFiles(folder);
    (await newSystem(folder, SLOW))[Symbol.dispose]();
    const repository = path.join(folder, "repository");
    const backup = lastgood(folder, "backup");
    await appearsIn(path.join(repository, "locks"));
    await restic(repository, "unlock");
    const { code, last } = await backup;
    assert.equal(code, 0, JSON.stringify(last));
    await restic(repository, "check", "--read-data");
  });

  test("restic and lastgood back up at once; a second lastgood is told to wait", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await makeFiles(folder);
    (await newSystem(folder, SLOW))[Symbol.dispose]();
    const repository = path.join(folder, "repository");
    const first = lastgood(folder, "backup");
    await appearsIn(path.join(repository, "locks"));
    const [second] = await Promise.all([
      lastgood(folder, "backup"),
      restic(repository, "backup", path.join(folder, "files")),
    ]);
    assert.equal(second.code, 11);
    assert.equal(second.last["code"], "LOCKED");
    assert.equal((await first).code, 0);
    await restic(repository, "check", "--read-data");
    const snapshots = (await resticJson(repository, "snapshots")) as unknown[];
    assert.equal(snapshots.length, 2);
    // Both stored the same files at once: what is there twice is freed, and nothing else.
    assert.equal((await lastgood(folder, "prune")).code, 0);
    await restic(repository, "check", "--read-data");
  });

  test("what was written under a writer, restic checks and restores whole", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const file = path.join(folder, "app.db");
    const script = `const { DatabaseSync } = require("node:sqlite");
      const db = new DatabaseSync(process.argv[1]);
      db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
      const insert = db.prepare("INSERT INTO t (b) VALUES (randomblob(2000))");
      const go = () => { for (let i = 0; i < 100; i++) insert.run(); setImmediate(go); }; go();`;
    const writer = spawn(process.execPath, ["-e", script, file], { stdio: "ignore" });
    try {
      await appearsIn(folder);
      await sleep(500);
      const stores = { db: { sqlite: "app.db" } };
      (await newSystem(folder, { stores }))[Symbol.dispose]();
      for (let round = 0; round < 3; round++) {
        const { code, last } = await lastgood(folder, "backup");
        assert.equal(code, 0, JSON.stringify(last));
      }
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "close");
    }
    const repository = path.join(folder, "repository");
    await restic(repository, "check", "--read-data");
    const target = path.join(folder, "by-restic");
    await restic(repository, "restore", "latest", "--tag", "valid", "--target", target);
    using database = new DatabaseSync(path.join(target, "stores/app/db/app.db"));
    assert.equal(database.prepare("PRAGMA integrity_check").get()!["integrity_check"], "ok");
    const found = database.prepare("SELECT count(*) AS n, max(a) AS last FROM t").get()!;
    const [rows, last] = [Number(found["n"]), Number(found["last"])];
    assert(rows > 0 && rows === last, `${rows} rows, the last is ${last}`);
    assert.equal((await lastgood(folder, "validate", "latest")).code, 0);
  });

  test("what restic copied elsewhere, lastgood validates and restores", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await makeFiles(folder);
    const component = { stores: { files: { folder: "files" } } };
    (await newSystem(folder, component))[Symbol.dispose]();
    const from = path.join(folder, "repository");
    assert.equal((await lastgood(folder, "backup")).code, 0);
    const to = path.join(folder, "by-restic");
    const key = path.join(folder, "key");
    await restic(to, "init");
    await restic(to, "copy", "--from-repo", from, "--from-password-file", key);
    const config = path.join(folder, "lastgood.yaml");
    const text = await readFile(config, "utf8");
    await writeFile(config, text.replace("at: repository", "at: by-restic"));
    const { code, last } = await lastgood(folder, "validate", "latest");
    assert.equal(code, 0, JSON.stringify(last));
    await rm(path.join(folder, "files", "f3"));
    assert.equal((await lastgood(folder, "restore", "latest", "--yes")).code, 0);
    assert(existsSync(path.join(folder, "files", "f3")));
  });
});
