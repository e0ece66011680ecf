import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { systemClock } from "../src/base/clock.ts";
import { AppError } from "../src/base/errors.ts";
import { expireSetAside, saveGivenUp } from "../src/operations/given-up.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
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

  test("of several stores each has to be in a point before it is freed", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    for (const name of ["a", "b"]) await writeFile(path.join(folder, name), name);
    const stores = { a: { file: "a" }, b: { file: "b" } };
    using system = await newSystem(folder, { stores });
    const { stamp } = await backup(system, { include: [], reason: "" }, run);
    const { operation } = await restore(system, stamp, { reason: "", force: false }, run);
    // As a restore leaves it whose application wrote, and that went back.
    const lying = (name: string): string =>
      path.join(folder, `.${name}.lastgood/=rejected-${operation}`);
    for (const name of ["a", "b"]) {
      await mkdir(lying(name), { recursive: true });
      await writeFile(path.join(lying(name), name), `written to ${name}`);
    }
    const day = 86_400_000;
    const clock = { ...systemClock, now: () => new Date(Date.now() + 100 * day) };
    const later = { ...system, host: { ...system.host, clock } };
    // One of them is out of reach just then.
    await rename(path.join(folder, ".b.lastgood"), path.join(folder, "away"));
    await saveGivenUp(later, run);
    await rename(path.join(folder, "away"), path.join(folder, ".b.lastgood"));
    const { repository } = system;
    const broken = async (): Promise<never> => {
      throw new AppError("UNAVAILABLE", "it is away");
    };
    await expireSetAside({ ...later, repository: broken }, run);
    assert(existsSync(lying("a")) && existsSync(lying("b")), "nobody could see that it is saved");
    await expireSetAside({ ...later, repository }, run);
    const saved = (await listPoints(system, run)).filter(({ isSafety }) => isSafety);
    assert.deepEqual(
      saved.map((point) => point.stores),
      [["app/a"], ["app/b"]],
    );
    assert(!existsSync(lying("a")) && !existsSync(lying("b")));
  });
});
