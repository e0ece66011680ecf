import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { harm } from "./support/damage.ts";
import { bin, lastgood } from "./support/lastgood.ts";
import { temporaryFolder } from "./support/temporary.ts";

// Goal: what a user types works from end to end, with the exit codes and the JSON that are promised.

type Json = Record<string, unknown>;

/** The last JSON line; every line has to be JSON, and nothing stands on standard error. */
function json(folder: string, ...args: string[]): { code: number | null; last: Json } {
  const { code, out, err } = lastgood(folder, ...args, "--json");
  assert.equal(err, "");
  const lines = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
  return { code, last: lines.at(-1) };
}

/** All files below a folder, the largest first. */
function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
    .toSorted((a, b) => statSync(b).size - statSync(a).size);
}

async function someData(folder: string): Promise<void> {
  await mkdir(path.join(folder, "data"));
  await mkdir(path.join(folder, "uploads"));
  await writeFile(path.join(folder, "uploads", "one"), "one");
  await writeFile(path.join(folder, ".env"), "KEY=value\n");
  using database = new DatabaseSync(path.join(folder, "data", "app.db"));
  database.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)");
}

suite("command line", () => {
  test("init, backup, points, validate, restore, undo, keep: the JSON that is promised", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await someData(folder);
    assert.equal(json(folder, "init").code, 0);
    assert.equal(json(folder, "init").code, 10);

    const made = json(folder, "backup", "--reason", "test");
    assert.equal(made.code, 0);
    const point = made.last["value"] as Json;
    const promised = [
      "stamp",
      "snapshot",
      "valid",
      "errors",
      "skewMs",
      "consistency",
      "bytesAdded",
      "bytesTotal",
      "elapsedMs",
    ];
    for (const field of promised) assert(field in point, `backup: ${field} is missing`);
    const stamp = point["stamp"] as string;

    const { points } = json(folder, "points").last["value"] as { points: Json[] };
    assert.equal(points[0]!["stamp"], stamp);
    for (const field of ["snapshot", "valid", "errors", "pinned", "components"])
      assert(field in points[0]!);
    assert.deepEqual(json(folder, "validate", stamp).last["value"], {
      stamp,
      valid: true,
      errors: [],
    });

    rmSync(path.join(folder, "uploads", "one"));
    assert.equal(lastgood(folder, "restore", "latest").code, 18, "not confirmed");
    const restored = json(folder, "restore", stamp.slice(0, 16), "--yes");
    assert.equal(restored.code, 0, JSON.stringify(restored.last));
    const result = restored.last["value"] as Json;
    for (const field of ["outcome", "stamp", "safetyPoint", "elapsedMs"]) assert(field in result);
    assert.equal(readFileSync(path.join(folder, "uploads", "one"), "utf8"), "one");

    const status = json(folder, "status");
    assert.equal(status.code, 0);
    for (const field of ["ok", "sentence", "components"])
      assert(field in (status.last["value"] as Json));
    assert.equal(json(folder, "undo", "--yes").code, 0);
    assert(!existsSync(path.join(folder, "uploads", "one")));
    assert.equal(json(folder, "keep").code, 0);
    assert.equal(json(folder, "keep").code, 10);
    assert.equal(json(folder, "check", "--read-data").code, 0);
    assert.equal(json(folder, "forget", "--plan").code, 0);
    assert.equal(json(folder, "prune").code, 0);
    assert.equal(json(folder, "history").code, 0);
  });

  test("errors are one line with a hint, and their codes are those of the table", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    assert.equal(lastgood(folder, "status").code, 10);
    const unknown = lastgood(folder, "restroe");
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /Did you mean: lastgood restore/);
    assert.deepEqual(json(folder, "backup").last["code"], "NOT_FOUND");
    await writeFile(path.join(folder, "lastgood.yaml"), "sistem: x\n");
    const { code, err } = lastgood(folder, "backup");
    assert.equal(code, 3);
    assert.match(err, /lastgood\.yaml:1:1: .*system|lastgood\.yaml:1:1: unknown key sistem/);
    assert.equal(lastgood(folder, "backup", "--nonsense").code, 2);
    for (const line of ["drill list extra", "incident edit", "token add anna --expires 0s"]) {
      assert.equal(lastgood(folder, ...line.split(" ")).code, 2, line);
    }
    assert.equal(lastgood(folder).code, 0);
    assert.match(lastgood(folder, "restore", "--help").out, /Examples:/);
  });

  test("from repository and key alone, on an empty machine, everything comes back", async () => {
    await using temporary = await temporaryFolder();
    const folder = path.join(temporary.path, "machine");
    const kept = path.join(temporary.path, "kept");
    await mkdir(folder);
    await someData(folder);
    lastgood(folder, "init", "--repository", path.join(temporary.path, "repository"));
    assert.equal(lastgood(folder, "backup").code, 0);
    await mkdir(kept);
    renameSync(path.join(folder, ".lastgood", "repository.key"), path.join(kept, "key"));
    rmSync(folder, { recursive: true });
    await mkdir(folder);

    const flags = [
      "--repository",
      path.join(temporary.path, "repository"),
      "--password-file",
      path.join(kept, "key"),
    ];
    const listed = json(folder, "points", ...flags);
    assert.equal((listed.last["value"] as { points: Json[] }).points.length, 1);
    const { code, out, err } = lastgood(folder, "restore", "latest", "--yes", ...flags);
    assert.equal(code, 0, err);
    // The key is in no point: what is said of it makes the next backup work.
    const [, install = ""] = /Before the next backup: .*: (install .*)/.exec(out) ?? [];
    execFileSync("sh", ["-c", install]);
    assert.equal(lastgood(folder, "backup").code, 0);
    assert.equal(readFileSync(path.join(folder, "uploads", "one"), "utf8"), "one");
    assert.equal(readFileSync(path.join(folder, ".env"), "utf8"), "KEY=value\n");
    assert(existsSync(path.join(folder, "lastgood.yaml")));
    using database = new DatabaseSync(path.join(folder, "data", "app.db"));
    assert.equal(database.prepare("SELECT count(*) AS n FROM t").get()!["n"], 3);
  });

  test("a repository that is damaged: what no size shows, a lost pack, a lost index", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await someData(folder);
    // So much that its pack is the largest.
    writeFileSync(path.join(folder, "uploads", "two"), randomBytes(200_000));
    assert.equal(lastgood(folder, "init").code, 0);
    assert.equal(lastgood(folder, "backup").code, 0);
    const [pack] = filesUnder(path.join(folder, ".lastgood/repository/data"));
    harm(pack!, (bytes) => {
      bytes[100_000]! ^= 1;
      return bytes;
    });
    const checked = lastgood(folder, "check", "--read-data");
    assert.equal(checked.code, 13);
    assert.match(checked.out, /hint: pack .* the next backup or copy stores again what it had/);
    const unwell = lastgood(folder, "status");
    assert.equal(unwell.code, 1);
    assert.match(
      unwell.out,
      /^1 pack of the repository is damaged: lastgood backup .* lastgood prune$/m,
    );
    assert.equal(json(folder, "backup").code, 0);
    assert.equal(json(folder, "validate", "latest").code, 0);
    assert.equal(lastgood(folder, "prune").code, 0);
    assert.equal(lastgood(folder, "check", "--read-data").code, 0);
    assert.equal(lastgood(folder, "status").code, 0);

    rmSync(path.join(folder, ".lastgood/repository/index"), { recursive: true });
    const lost = lastgood(folder, "check");
    assert.equal(lost.code, 13);
    assert.match(lost.out, /hint: .* lastgood check --repair-index/);
    assert.equal(lastgood(folder, "check", "--repair-index").code, 0);
    assert.equal(lastgood(folder, "check", "--read-data").code, 0);

    const [largest] = filesUnder(path.join(folder, ".lastgood/repository/data"));
    rmSync(largest!);
    assert.equal(json(folder, "validate", "latest").code, 13);
  });

  test("version loads nothing and is quick", () => {
    const started = performance.now();
    assert.match(lastgood("/", "version").out, /^lastgood \d+\.\d+\.\d+\n$/);
    assert(performance.now() - started < 2000);
  });

  test("an old Node starts the one that npm brought; without that it says what to do", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const source = readFileSync(bin, "utf8");
    const old = source.replace("isNew(process.versions.node)", 'isNew("20.11.0")');
    assert.notEqual(old, source);
    await mkdir(path.join(folder, "bin"));
    const copy = path.join(folder, "bin", "lastgood.js");
    await writeFile(copy, old);
    const alone = spawnSync(process.execPath, [copy, "version"], { encoding: "utf8" });
    assert.equal(alone.status, 20);
    assert.match(alone.stderr, /needs Node 24\.15/);
    await mkdir(path.join(folder, "node_modules/node/bin"), { recursive: true });
    // In place of Node: what it is called with, and an exit code of its own.
    const stand = path.join(folder, "node_modules/node/bin/node");
    await writeFile(stand, `#!/bin/sh\necho "$@"\nexit 7\n`, { mode: 0o755 });
    const helped = spawnSync(process.execPath, [copy, "points", "--json"], { encoding: "utf8" });
    assert.equal(helped.stdout, `${copy} points --json\n`);
    assert.equal(helped.status, 7);
  });

  test("the output can be cut off by head", () => {
    const command = `${process.execPath} ${bin} help | head -1`;
    assert.match(execFileSync("sh", ["-c", command], { encoding: "utf8" }), /^lastgood/);
  });
});
