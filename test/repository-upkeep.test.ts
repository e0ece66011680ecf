import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { folderBackend } from "../src/backends/folder.ts";
import type { Backend } from "../src/backends/backend.ts";
import { openRepository, type Repository } from "../src/repository/repository.ts";
import { backUp, newRepository } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

const run = quietRun();

/** The same, at the end of a line on which one answer overtakes another. */
function unevenly(inner: Backend): Backend {
  return {
    ...inner,
    async get(...args) {
      await sleep(Math.random() * 8);
      return await inner.get(...args);
    },
  };
}

/** A repository to which each of `count` backups has added a file. */
async function grown(folder: string, count: number, fileBytes: number): Promise<Repository> {
  const tree = path.join(folder, "tree");
  await mkdir(tree);
  const repository = await newRepository(path.join(folder, "repo"), run);
  for (let n = 0; n < count; n++) {
    await writeFile(path.join(tree, `file ${n}`), randomBytes(fileBytes));
    await backUp(repository, tree, run);
  }
  return repository;
}

suite("upkeep of a repository", () => {
  test("check says the same of the same repository each time, whichever file comes first", async () => {
    await using temporary = await temporaryFolder();
    await grown(temporary.path, 6, 10_000);
    const folder = path.join(temporary.path, "repo");
    // The snapshots share what is damaged then.
    const data = path.join(folder, "data");
    const files = (await readdir(data, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    for (const file of files.slice(0, 5)) await rm(file);
    const said = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const backend = unevenly(folderBackend(folder));
      const anew = await openRepository(backend, PASSWORD, {}, run);
      const { errors } = await anew.check({ readData: "all" }, run);
      assert(errors.length >= 5);
      said.add(errors.join("\n"));
    }
    assert.equal(said.size, 1);
  });

  test("a copy of little is one pack of data and one of trees, as of many small ones", async () => {
    await using temporary = await temporaryFolder();
    const from = await grown(temporary.path, 8, 300_000);
    const to = await newRepository(path.join(temporary.path, "to"), run);
    await from.copyTo(
      to,
      (await from.snapshots(run)).map(({ id }) => id),
      run,
    );
    assert.equal((await to.check({ readData: "all" }, run)).packs, 2);
  });

  test("parts are fetched side by side from afar, whatever the number of processors", async () => {
    await using temporary = await temporaryFolder();
    await grown(temporary.path, 14, 10_000);
    const inner = folderBackend(path.join(temporary.path, "repo"));
    let [now, most] = [0, 0];
    const far: Backend = {
      ...inner,
      localFolder: undefined,
      async get(...args) {
        most = Math.max(most, ++now);
        await sleep(30);
        now--;
        return await inner.get(...args);
      },
    };
    const repository = await openRepository(far, PASSWORD, {}, run);
    const newest = (await repository.snapshots(run)).at(-1);
    most = 0;
    const out = path.join(temporary.path, "out");
    await repository.read(newest, run, (reader) => reader.tree("tree", out));
    assert(most >= 12, `${most} at once`);
    assert.equal((await readdir(out)).length, 14);
  });
});
