import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { statfsSync, statSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import type { Reader, Repository } from "../../src/repository/repository.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { cannotMount, FILE_SYSTEMS, mounted } from "../support/mounted.ts";
import { backUp, newRepository } from "../support/repository.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: on each file system that is written to past the cache, what comes back is what was there.
// Method: a real one of each kind, in a file.

const run = quietRun();
const MIB = 1024 * 1024;
/** How much of the file the kernel keeps in its cache. */
function cachedBytes(file: string): number {
  return Number(execFileSync("fincore", ["--bytes", "--noheadings", "--output", "RES", file]));
}

/** Files whose chunks begin and end at all kinds of places, of which some are the same or zeros. */
async function makeTree(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(path.join(folder, "large"), randomBytes(30 * MIB + 54_321));
  const large = randomBytes(40 * MIB + 12_345);
  await writeFile(path.join(folder, "shared"), large);
  await writeFile(path.join(folder, "from its middle"), large.subarray(17 * MIB + 1));
  await writeFile(path.join(folder, "text"), "the same line over and over\n".repeat(800_000));
  // What shrinks comes in longer stretches than are written at once.
  const rows = Array.from({ length: 700_000 }, (_, n) => `row ${n} of a table, and what it says\n`);
  await writeFile(path.join(folder, "rows"), rows.join(""));
  const hole = Buffer.concat([large.subarray(0, 9 * MIB), Buffer.alloc(20 * MIB), large]);
  await writeFile(path.join(folder, "with a hole"), hole);
  // More names of the same content than files are kept open.
  const same = randomBytes(300_000);
  for (let n = 0; n < 40; n++) await writeFile(path.join(folder, `same ${n}`), same);
  for (const size of [0, 1, 4095, 4096, 4097, 262_143, 262_144, 266_239, 524_288]) {
    await writeFile(path.join(folder, `${size} bytes`), randomBytes(size));
  }
}

async function reading(
  repository: Repository,
  work: (reader: Reader) => Promise<void>,
): Promise<void> {
  const last = (await repository.snapshots(run)).at(-1);
  assert(last !== undefined);
  await repository.read(last, run, work);
}

suite("file systems", { skip: cannotMount }, () => {
  for (const kind of Object.keys(FILE_SYSTEMS)) {
    test(`${kind}: what is restored is what was there, and stays out of the cache`, async () => {
      await using temporary = await temporaryFolder();
      const tree = path.join(temporary.path, "tree");
      await makeTree(tree);
      const repository = await newRepository(path.join(temporary.path, "repo"), run);
      await backUp(repository, tree, run);
      using disk = mounted(path.join(temporary.path, "disk"), kind);
      await reading(repository, async (reader) => {
        await reader.tree("tree", path.join(disk.at, "all"));
        await reader.file("tree/large", path.join(disk.at, "large alone"));
      });
      const large = path.join(disk.at, "all", "large");
      const { size } = statSync(large);
      assert(cachedBytes(large) < size / 4, "a folder's large files went through the cache");
      assert(cachedBytes(path.join(disk.at, "large alone")) > size / 2, "a file alone did not");
      assertSameTrees(path.join(disk.at, "all"), tree);
    });

    test(`${kind}: what fits is restored`, async () => {
      await using temporary = await temporaryFolder();
      const tree = path.join(temporary.path, "tree");
      await mkdir(tree);
      // Files that grow are given room beyond their end, which others then have to get.
      for (let n = 0; n < 80; n++) {
        await writeFile(path.join(tree, `file ${n}`), randomBytes((0.3 + (n % 8) / 2) * MIB + n));
      }
      const repository = await newRepository(path.join(temporary.path, "repo"), run);
      await backUp(repository, tree, run);
      const bytes = Number(execFileSync("du", ["-sB1", tree]).toString().split("\t")[0]);
      using disk = mounted(path.join(temporary.path, "disk"), kind);
      const { bavail, bsize } = statfsSync(disk.at);
      const ballast = bavail * bsize - 1.03 * bytes - 4 * MIB;
      spawnSync("fallocate", ["-l", String(Math.trunc(ballast)), path.join(disk.at, "ballast")]);
      await reading(repository, async (reader) => {
        await reader.tree("tree", path.join(disk.at, "all"));
      });
      assertSameTrees(path.join(disk.at, "all"), tree);
    });

    test(`${kind}: a disk that fills up says so`, async () => {
      await using temporary = await temporaryFolder();
      const tree = path.join(temporary.path, "tree");
      await mkdir(tree);
      await writeFile(path.join(tree, "large"), randomBytes(60 * MIB));
      const repository = await newRepository(path.join(temporary.path, "repo"), run);
      await backUp(repository, tree, run);
      using disk = mounted(path.join(temporary.path, "disk"), kind);
      const ballast = path.join(disk.at, "ballast");
      const { bavail, bsize } = statfsSync(disk.at);
      spawnSync("fallocate", ["-l", String(bavail * bsize - 30 * MIB), ballast]);
      await reading(repository, async (reader) => {
        const full = reader.tree("tree", path.join(disk.at, "all"));
        await assert.rejects(full, (error: Error) => {
          assert(error.message.includes(disk.at), error.message);
          return hasCode(error, "NO_SPACE");
        });
        await rm(ballast);
        await reader.tree("tree", path.join(disk.at, "again"));
      });
      assertSameTrees(path.join(disk.at, "again"), tree);
    });
  }
});
