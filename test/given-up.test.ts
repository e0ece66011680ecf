import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import { throughPoint } from "./support/given-up.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: what lies aside can be put into a recovery point, and comes back from there.

const run = quietRun();

const KINDS: Readonly<
  Record<
    string,
    readonly [object, write: (at: string, text: string) => Promise<void>, read: string]
  >
> = {
  sqlite: [{ sqlite: "it" }, async (at, text) => inDatabase(at, text), "it"],
  file: [{ file: "it" }, async (at, text) => await writeFile(at, text), "it"],
  json: [
    { file: "it", format: "json" },
    async (at, text) => await writeFile(at, `"${text}"`),
    "it",
  ],
  folder: [{ folder: "it" }, async (at, text) => await inFolder(at, text), "it/a"],
};

function inDatabase(file: string, text: string): void {
  using database = new DatabaseSync(file);
  database.exec(
    `CREATE TABLE IF NOT EXISTS t (a); DELETE FROM t; INSERT INTO t VALUES ('${text}')`,
  );
}

async function inFolder(folder: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "a"), text);
}

suite("given up", () => {
  for (const [kind, [store, write, read]] of Object.entries(KINDS)) {
    test(`${kind}: what lies aside goes into a point and comes back`, async () => {
      await using temporary = await temporaryFolder();
      const at = path.join(temporary.path, "it");
      const live = async (): Promise<string> =>
        await readFile(path.join(temporary.path, read), "latin1");
      await write(at, "then");
      using system = await newSystem(temporary.path, { stores: { it: store } });
      const { stamp } = await backup(system, { include: [], reason: "" }, run);
      await write(at, "later");
      const { operation } = await restore(system, stamp, { reason: "", force: false }, run);
      assert.match(await live(), /then/);
      await throughPoint(system, `before-${operation}`, async () => {
        assert.match(await live(), /later/);
      });
      assert.match(await live(), /then/);
    });
  }
});
