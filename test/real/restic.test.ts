import assert from "node:assert/strict";
import { appendFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { folderBackend } from "../../src/backends/folder.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { makeOddTree } from "../support/odd-tree.ts";
import { backUp, newRepository } from "../support/repository.ts";
import { PASSWORD, restic, resticJson, resticVersion } from "../support/restic.ts";
import { skipWithout } from "../support/servers.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: what lastgood writes the distribution's restic reads, checks, restores, copies and prunes,
// and the other way round, on a tree with everything that is hard in it.

const run = quietRun();
const skip = skipWithout(resticVersion(), "restic");

suite("what lastgood writes, restic can use", { skip }, () => {
  test("check, restore, backup on top, list, find, diff, tag, copy, forget, prune, repair", async () => {
    await using temporary = await temporaryFolder();
    const at = (...parts: string[]): string => path.join(temporary.path, ...parts);
    const repo = at("repo");
    await makeOddTree(at("odd"));
    const repository = await newRepository(repo, run);
    const first = await backUp(repository, at("odd"), run);
    assert.equal(first.problems, 0);
    assert.match(await restic(repo, "check", "--read-data"), /no errors were found/);

    await restic(repo, "restore", "latest", "--target", at("out"), "--verify");
    // restic before 0.16 knows no link targets that are no text.
    const known = (line: string): boolean => !line.startsWith("/links/raw-target");
    assertSameTrees(at("out", "odd"), at("odd"), known);

    // Relative, so that restic sees the same paths in the tree; nothing may have changed for it.
    const onTop = (await resticJson(
      repo,
      "backup",
      "--parent",
      first.snapshot.id,
      "--host",
      "test",
      at("odd"),
    )) as Record<string, number>;
    assert.equal(onTop["data_blobs"], 0);
    assert.equal(onTop["files_changed"], 0);

    const listed = await restic(repo, "ls", first.snapshot.id);
    assert.match(listed, /\/odd\/wide\/f2999/);
    assert.match(await restic(repo, "find", "bottom"), /bottom/);
    assert.match(await restic(repo, "dump", first.snapshot.id, "/odd/wide/f7"), /^file 7/);
    await appendFile(at("odd", "plain-new"), "new");
    const second = await backUp(repository, at("odd"), run, first.snapshot);
    assert.match(
      await restic(repo, "diff", first.snapshot.id, second.snapshot.id),
      /\+.*plain-new/,
    );
    assert.match(await restic(repo, "tag", "--add", "kept", second.snapshot.id), /modified tags/);
    assert.equal((await repository.snapshots(run)).at(-1)?.tags?.[0], "kept");

    await mkdir(at("copy"));
    await restic(
      at("copy"),
      "init",
      "--repo2",
      repo,
      "--password-file2",
      await passwordFile(at),
      "--copy-chunker-params",
    );
    await restic(
      repo,
      "copy",
      "--repo2",
      at("copy"),
      "--password-file2",
      await passwordFile(at),
      first.snapshot.id,
    );
    assert.match(await restic(at("copy"), "check", "--read-data"), /no errors were found/);

    await rm(path.join(repo, "index"), { recursive: true });
    await mkdir(path.join(repo, "index"));
    await restic(repo, "rebuild-index");
    await restic(repo, "forget", first.snapshot.id, "--prune", "--max-unused", "0");
    assert.match(await restic(repo, "check", "--read-data"), /no errors were found/);
  });
});

suite("what restic writes, lastgood can use", { skip }, () => {
  for (const version of ["1", "2"]) {
    test(`version ${version}: check, restore, backup on top, copy, forget, prune, repair`, async () => {
      await using temporary = await temporaryFolder();
      const at = (...parts: string[]): string => path.join(temporary.path, ...parts);
      const repo = at("repo");
      await makeOddTree(at("odd"));
      await restic(repo, "init", "--repository-version", version);
      await restic(repo, "backup", "--host", "test", at("odd"));
      const repository = await openRepository(folderBackend(repo), PASSWORD, {}, run);
      const [first] = await repository.snapshots(run);
      assert(first !== undefined);
      assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);

      const inTree = at("odd").slice(1);
      const restored = await repository.read(first, run, (reader) =>
        reader.tree(inTree, at("out")),
      );
      assert.deepEqual(restored.problems, []);
      const known = (line: string): boolean => !line.startsWith("/links/raw-target");
      assertSameTrees(at("out"), at("odd"), known);

      const again = await repository.write(first, run, async (writer) => {
        const summary = await writer.tree(inTree, at("odd"), {});
        const { added } = await writer.commit({ time: new Date(), paths: [at("odd")] });
        return { changed: summary.filesNew + summary.filesChanged, added };
      });
      assert.equal(again.changed, 0);
      assert.equal(again.added.dataBlobs, 0);
      assert.match(await restic(repo, "check", "--read-data"), /no errors were found/);

      const copy = await newRepository(at("copy"), run);
      assert.equal((await repository.copyTo(copy, [first.id], run)).copied.length, 1);
      assert.equal((await repository.copyTo(copy, [first.id], run)).copied.length, 0);
      assert.match(await restic(at("copy"), "check", "--read-data"), /no errors were found/);

      for (const name of await readdir(path.join(repo, "index"))) {
        await rm(path.join(repo, "index", name), { force: true });
      }
      assert.deepEqual((await repository.repairIndex(run)).unreadable, []);
      await writeFile(at("odd", "sizes", "large"), "small now");
      const parent = (await repository.snapshots(run)).at(-1);
      const last = await repository.write(parent, run, async (writer) => {
        await writer.tree(inTree, at("odd"), {});
        return await writer.commit({ time: new Date(), paths: [at("odd")] });
      });
      const old = (await repository.snapshots(run)).filter(({ id }) => id !== last.snapshot.id);
      await repository.forget(
        old.map(({ id }) => id),
        run,
      );
      const pruned = await repository.prune("do", run);
      // 21 MiB are no longer needed; up to 5 % of the 60 MiB in use may stay beside what is.
      assert(pruned.bytesFreed > 17 * 1024 * 1024, `${pruned.bytesFreed} bytes freed`);
      assert.match(await restic(repo, "check", "--read-data"), /no errors were found/);
    });
  }

  test("locks: each sees the other's", async () => {
    await using temporary = await temporaryFolder();
    const repo = path.join(temporary.path, "repo");
    const source = path.join(temporary.path, "source");
    await mkdir(source);
    await writeFile(path.join(source, "file"), "content");
    const repository = await newRepository(repo, run);
    await repository.write(undefined, run, async (writer) => {
      await writer.tree("source", source, {});
      await assert.rejects(restic(repo, "prune"), /locked/);
      // A backup adds only, so two of them get on with each other.
      await restic(repo, "backup", source);
      await restic(repo, "unlock");
      await writer.commit({ time: new Date(), paths: [source] });
    });
    assert.deepEqual(await readdir(path.join(repo, "locks")), []);
    assert.match(await restic(repo, "check", "--read-data"), /no errors were found/);
  });
});

async function passwordFile(at: (name: string) => string): Promise<string> {
  const file = at("password");
  await writeFile(`${file}.new`, PASSWORD);
  await rename(`${file}.new`, file);
  return file;
}
