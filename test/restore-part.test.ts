import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import { keep } from "../src/operations/set-aside.ts";
import { undo } from "../src/operations/undo.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a restore brings back what was asked for, a component, a store or a single file, and
// nothing else changes.

const run = quietRun();
const NO_REASON = { include: [], reason: "" };
const PLAIN = { reason: "", force: false };

async function twoStores(folder: string): Promise<void> {
  await mkdir(path.join(folder, "uploads", "2026"), { recursive: true });
  await writeFile(path.join(folder, "uploads", "2026", "a"), "old a");
  await writeFile(path.join(folder, "uploads", "b"), "old b");
  await writeFile(path.join(folder, "app.env"), "VERSION=1");
  using database = new DatabaseSync(path.join(folder, "app.db"));
  database.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
}

const CONFIG = {
  stores: { uploads: { folder: "uploads" }, db: { sqlite: "app.db" } },
  files: ["app.env"],
};

suite("restore of a part", () => {
  test("one file in a folder: the others stay as they are, and it can be undone", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const at = (name: string): string => path.join(folder, "uploads", name);
    await twoStores(folder);
    using system = await newSystem(folder, CONFIG);
    const { stamp } = await backup(system, NO_REASON, run);
    await writeFile(at("2026/a"), "new a");
    await writeFile(at("b"), "new b");
    const { outcome } = await restore(system, stamp, { ...PLAIN, file: at("2026/a") }, run);
    assert.equal(outcome, "committed");
    assert.equal(readFileSync(at("2026/a"), "utf8"), "old a");
    assert.equal(readFileSync(at("b"), "utf8"), "new b");
    assert.deepEqual(await readdir(at("")), ["2026", "b"], "nothing of ours lies in the store");
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.equal(readFileSync(at("2026/a"), "utf8"), "new a");
    await keep(system, undefined, run);
    const left = (await readdir(folder)).filter(
      (name) => name.endsWith(".lastgood") && name !== ".lastgood",
    );
    assert.deepEqual(left, []);
  });

  test("a folder in a folder that is gone, and the file of a component", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await twoStores(folder);
    using system = await newSystem(folder, CONFIG);
    const { stamp } = await backup(system, NO_REASON, run);
    await rm(path.join(folder, "uploads", "2026"), { recursive: true });
    await writeFile(path.join(folder, "app.env"), "VERSION=2");
    const both = { ...PLAIN, file: path.join(folder, "uploads/2026"), store: "db" };
    await assert.rejects(restore(system, stamp, both, run), { code: "USAGE" });
    for (const file of ["uploads/2026", "app.env"]) {
      const options = { ...PLAIN, file: path.join(folder, file) };
      assert.equal((await restore(system, stamp, options, run)).outcome, "committed");
    }
    assert.equal(readFileSync(path.join(folder, "uploads/2026/a"), "utf8"), "old a");
    assert.equal(readFileSync(path.join(folder, "app.env"), "utf8"), "VERSION=1");
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.equal(readFileSync(path.join(folder, "app.env"), "utf8"), "VERSION=2");
  });

  test("what cannot be restored alone is refused, and what is not there is not found", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await twoStores(folder);
    using system = await newSystem(folder, CONFIG);
    const { stamp } = await backup(system, NO_REASON, run);
    const attempt = (file: string): Promise<unknown> =>
      restore(system, stamp, { ...PLAIN, file: path.join(folder, file) }, run);
    await assert.rejects(attempt("app.db"), { code: "REFUSED" });
    await assert.rejects(attempt("uploads"), { code: "REFUSED" });
    await assert.rejects(attempt("uploads/none"), { code: "NOT_FOUND" });
    await assert.rejects(attempt("elsewhere"), { code: "NOT_FOUND" });
  });

  test("one store, one component: the others stay as they are", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await twoStores(folder);
    using system = await newSystem(folder, CONFIG);
    const { stamp } = await backup(system, NO_REASON, run);
    await writeFile(path.join(folder, "uploads", "b"), "new b");
    using database = new DatabaseSync(path.join(folder, "app.db"));
    database.exec("INSERT INTO t VALUES (2)");
    database.close();
    const count = (): unknown => {
      using now = new DatabaseSync(path.join(folder, "app.db"));
      return now.prepare("SELECT count(*) AS n FROM t").get()!["n"];
    };
    await restore(system, stamp, { ...PLAIN, store: "uploads" }, run);
    assert.equal(readFileSync(path.join(folder, "uploads", "b"), "utf8"), "old b");
    assert.equal(count(), 2);
    await restore(system, stamp, { ...PLAIN, component: "app" }, run);
    assert.equal(count(), 1);
  });
});
