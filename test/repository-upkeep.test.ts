import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { folderBackend } from "../src/backends/folder.ts";
import type { Backend } from "../src/backends/backend.ts";
import { openRepository } from "../src/repository/repository.ts";
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

suite("upkeep of a repository", () => {
  test("check says the same of the same repository each time, whichever file comes first", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await mkdir(at("tree"));
    const repository = await newRepository(at("repo"), run);
    for (let n = 0; n < 6; n++) {
      await writeFile(path.join(at("tree"), `file ${n}`), randomBytes(10_000));
      await backUp(repository, at("tree"), run);
    }
    // The snapshots share what is damaged then.
    const data = path.join(at("repo"), "data");
    const files = (await readdir(data, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    for (const file of files.slice(0, 5)) await rm(file);
    const said = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const backend = unevenly(folderBackend(at("repo")));
      const anew = await openRepository(backend, PASSWORD, {}, run);
      const { errors } = await anew.check({ readData: "all" }, run);
      assert(errors.length >= 5);
      said.add(errors.join("\n"));
    }
    assert.equal(said.size, 1);
  });

  test("a copy of little is one pack of data and one of trees, as of many small ones", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await mkdir(at("tree"));
    const from = await newRepository(at("from"), run);
    for (let n = 0; n < 8; n++) {
      await writeFile(path.join(at("tree"), `file ${n}`), randomBytes(300_000));
      await backUp(from, at("tree"), run);
    }
    const to = await newRepository(at("to"), run);
    await from.copyTo(
      to,
      (await from.snapshots(run)).map(({ id }) => id),
      run,
    );
    assert.equal((await to.check({ readData: "all" }, run)).packs, 2);
  });
});
