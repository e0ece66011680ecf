import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Backend } from "../src/backends/backend.ts";
import { folderBackend } from "../src/backends/folder.ts";
import { AppError } from "../src/base/errors.ts";
import { encodeSnapshot } from "../src/repository/format/snapshot.ts";
import { createBlobIndex } from "../src/repository/index/blob-index.ts";
import { openCore } from "../src/repository/open.ts";
import { openRepository, type Repository, type Snapshot } from "../src/repository/repository.ts";
import { lookAt } from "../src/repository/workers/identity.ts";
import { type BlobSink, openBlobSink } from "../src/repository/writer/blob-sink.ts";
import { createFileStore } from "../src/repository/writer/file-store.ts";
import { assertSameTrees } from "./support/compare-trees.ts";
import { coreOptions, backUp, newRepository } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: what happens beside a backup, a prune or a restore never leaves anything that is wrong:
// another writer, a lock that goes, a file that is replaced, a place that is full, read-only, taken.
// Method: each moment is reached through a hook, as a callback or a backend that does something
// besides, never by waiting for it.

const run = quietRun();
const options = coreOptions();

type Place = AsyncDisposable & { readonly at: (below: string) => string; repository: Repository };

/** An empty repository "repo" beside a folder "src" with random files. */
async function newPlace(...names: readonly string[]): Promise<Place> {
  const temporary = await temporaryFolder();
  const at = (below: string): string => path.join(temporary.path, below);
  writeFiles(at("src"), names);
  return { ...temporary, at, repository: await newRepository(at("repo"), run) };
}

function writeFiles(folder: string, names: readonly string[], sizeBytes = 200_000): void {
  fs.mkdirSync(folder, { recursive: true });
  for (const name of names) fs.writeFileSync(path.join(folder, name), randomBytes(sizeBytes));
}

const reopen = ({ at }: Place, changed: Partial<Backend> = {}): Promise<Repository> =>
  openRepository({ ...folderBackend(at("repo")), ...changed }, PASSWORD, {}, run);

/** Opens the repository anew: in which order the index files come is new each time. */
async function assertRestorable(place: Place, snapshot: Snapshot, source: string): Promise<void> {
  const target = fs.mkdtempSync(place.at("out-"));
  const repository = await reopen(place);
  await repository.read(snapshot, run, (reader) => reader.tree("src", target));
  assertSameTrees(target, source);
}

/** Two writers at once both store what is new to both. */
async function backUpAtOnce({ repository, at }: Place, other: string): Promise<Snapshot[]> {
  return await repository.write(undefined, run, async (writer) => {
    await writer.tree("src", at("src"), {});
    const second = await backUp(repository, other, run);
    const first = await writer.commit({ time: new Date(), paths: [at("src")] });
    return [first.snapshot, second.snapshot];
  });
}

suite("several at one repository", { concurrency: 4 }, () => {
  for (const more of [[], ["only in the second"]]) {
    test(`is freed, and both of two writers keep theirs; besides: [${more.join()}]`, async () => {
      await using place = await newPlace("a", "b", "c");
      const [one, other] = [place.at("src"), place.at("other/src")];
      fs.cpSync(one, other, { recursive: true, preserveTimestamps: true });
      writeFiles(other, more);
      const [first, second] = await backUpAtOnce(place, other);
      assert((await place.repository.prune("do", run)).bytesFreed > 600_000);
      assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
      await assertRestorable(place, first!, one);
      await assertRestorable(place, second!, other);
    });
  }

  test("a prune that died is made good by the next, though it sees the old index first", async () => {
    await using place = await newPlace("a", "b", "c", "d");
    const { repository, at } = place;
    const old = await backUp(repository, at("src"), run);
    writeFiles(at("src"), ["a", "b"]);
    const { snapshot } = await backUp(repository, at("src"), run);
    await repository.forget([old.snapshot.id], run);
    const before = new Set(fs.readdirSync(at("repo/index")).map((name) => `index/${name}`));
    const { list, remove } = folderBackend(at("repo"));
    const died = new AppError("UNAVAILABLE", "died with the new index there, and the old");
    const backend: Partial<Backend> = {
      remove: (key) => (key.startsWith("index/") ? Promise.reject(died) : remove(key, run)),
      async *list(prefix) {
        const found = await Array.fromAsync(list(prefix, run));
        const rank = ({ key }: { key: string }): number => (before.has(key) ? 0 : 1);
        yield* found.toSorted((a, b) => rank(a) - rank(b));
      },
    };
    await assert.rejects((await reopen(place, backend)).prune("do", run), died);
    await assertRestorable(place, snapshot, at("src"));
    const again = await reopen(place, { ...backend, remove });
    assert((await again.prune("do", run)).bytesFreed > 400_000);
    assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
  });

  test("one damaged copy of two harms no restore, whichever the index finds first", async () => {
    await using place = await newPlace("a", "b");
    const [snapshot] = await backUpAtOnce(place, place.at("src"));
    const names = fs.readdirSync(place.at("repo/data"), { recursive: true, encoding: "utf8" });
    const all = names.map((name) => place.at(`repo/data/${name}`));
    const packs = all.filter((file) => fs.statSync(file).size > 200_000);
    assert.equal(packs.length, 2);
    for (const pack of packs) {
      const sound = fs.readFileSync(pack);
      fs.chmodSync(pack, 0o600);
      fs.writeFileSync(pack, sound.with(100, sound[100]! ^ 1));
      await assertRestorable(place, snapshot!, place.at("src"));
      fs.writeFileSync(pack, sound);
    }
  });

  test("a backup whose lock was removed is not completed", async () => {
    await using place = await newPlace("precious");
    const { repository, at } = place;
    const backup = repository.write(undefined, run, async (writer) => {
      await writer.tree("src", at("src"), {});
      await writer.flush();
      for (const lock of fs.readdirSync(at("repo/locks"))) fs.rmSync(at(`repo/locks/${lock}`));
      await (await reopen(place)).prune("do", run);
      return await writer.commit({ time: new Date(), paths: [at("src")] });
    });
    await assert.rejects(backup, { code: "LOCKED" });
    assert.deepEqual(await repository.snapshots(run), []);
    assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
  });

  test("two who each remove the other's key leave one", async () => {
    await using place = await newPlace();
    const id = await place.repository.addKey("second", run);
    const second = await openRepository(folderBackend(place.at("repo")), "second", {}, run);
    const [other] = (await second.keys(run)).filter(({ current }) => !current);
    await place.repository.removeKey(id, run);
    await assert.rejects(second.removeKey(other!.id, run), { code: "REFUSED" });
    assert.equal((await (await reopen(place)).keys(run)).length, 1);
  });

  test("a snapshot that was tagged since is copied again, an unknown one is NOT_FOUND", async () => {
    await using place = await newPlace("f");
    const { repository, at } = place;
    const target = await newRepository(at("target"), run);
    const { snapshot } = await backUp(repository, at("src"), run);
    const { files } = await openCore(folderBackend(at("repo")), PASSWORD, options, run);
    const tagged = encodeSnapshot({ ...snapshot, tags: ["valid"], original: snapshot.id });
    for (const id of [snapshot.id, await files.save("snapshots", tagged, run)]) {
      assert.deepEqual((await repository.copyTo(target, [id], run)).copied, [id]);
      assert.deepEqual((await repository.copyTo(target, [id], run)).copied, []);
    }
    await assert.rejects(repository.copyTo(target, ["f".repeat(64)], run), { code: "NOT_FOUND" });
    await assert.rejects(repository.forget(["f".repeat(64)], run), { code: "NOT_FOUND" });
  });
});

suite("sources and targets that are not as expected", { concurrency: 4 }, () => {
  test("no folder, but a link, a file or nothing is SOURCE_FAILED", async () => {
    await using place = await newPlace("file");
    fs.symlinkSync(".", place.at("link"));
    for (const name of ["link", "src/file", "missing"]) {
      const backup = backUp(place.repository, place.at(name), run);
      await assert.rejects(backup, { code: "SOURCE_FAILED" }, name);
    }
  });

  for (const { name, code, put, stored } of [
    { name: "another file", code: "changed", put: 'mv "$0" "$1"', stored: "another" },
    { name: "a link", code: "replaced", put: 'ln -s "$0" "$1"', stored: undefined },
    { name: "a pipe", code: "replaced", put: 'mkfifo "$1"', stored: undefined },
  ]) {
    test(`a file in whose place ${name} is when it is read is told: ${code}`, async () => {
      await using place = await newPlace("z");
      const { repository, at } = place;
      fs.writeFileSync(at("src/a"), "the one");
      fs.writeFileSync(at("other"), "another");
      const replace = ["-c", `rm "$1" && ${put}`, at("other"), at("src/a")];
      // The walk has seen `a` when it comes to `z`; small files are read once it has seen them all.
      const isExcluded = (below: string): boolean =>
        below === "z" && execFileSync("sh", replace) === undefined;
      // Whoever waits for the other end of the pipe gets it, so that the test fails and ends.
      using _release = setTimeout(() => fs.closeSync(fs.openSync(at("src/a"), "r+")), 5000);
      const { problems, snapshot } = await repository.write(undefined, run, async (writer) => ({
        ...(await writer.tree("src", at("src"), { isExcluded })),
        ...(await writer.commit({ time: new Date(), paths: [at("src")] })),
      }));
      const told = problems.map((problem) => [problem.path, problem.code]);
      assert.deepEqual(told, [[at("src/a"), code]]);
      await repository.read(snapshot, run, async (reader) => {
        const node = await reader.find("src/a");
        assert.equal(node && String(await reader.read("src/a")), stored);
      });
    });
  }

  for (const chunking of ["content", "pages"] as const) {
    test(`a large file that is replaced while it is read is no mixture: ${chunking}`, async () => {
      await using place = await newPlace();
      const [source, other] = [place.at("src/file"), place.at("src/other")];
      writeFiles(place.at("src"), ["file", "other"], 24 * 1024 * 1024);
      const core = await openCore(folderBackend(place.at("repo")), PASSWORD, options, run);
      await using sink = openBlobSink(core, createBlobIndex(), run);
      const start: BlobSink["start"] = async (kind, input) => {
        const job = await sink.start(kind, input);
        if (kind === "storeRanges") await job.done;
        if (kind === "storeRanges" && fs.existsSync(other)) fs.renameSync(other, source);
        return job;
      };
      const store = async (into: BlobSink): Promise<object> => {
        const file = { path: source, seen: lookAt(source), chunking };
        const { done } = await createFileStore(into).store(file);
        return await done;
      };
      const before = await store(sink);
      const replaced = await store({ ...sink, start });
      const after = await store(sink);
      // Where few chunks are found all are read before anything else takes the place.
      const isWhole = [before, after].some((one) =>
        isDeepStrictEqual(replaced, { ...one, changed: true }),
      );
      assert(isWhole, JSON.stringify({ before, replaced, after }));
    });
  }

  for (const code of ["REFUSED", "NO_SPACE"] as const) {
    test(`where nothing can be written (${code}) all can be read`, async () => {
      await using place = await newPlace("f");
      const { snapshot } = await backUp(place.repository, place.at("src"), run);
      const put = (): Promise<void> => Promise.reject(new AppError(code, "not here"));
      const repository = await reopen(place, { put });
      await repository.read(snapshot, run, (reader) => reader.tree("src", place.at("out")));
      assertSameTrees(place.at("out"), place.at("src"));
      assert.deepEqual((await repository.check({ readData: "none" }, run)).errors, []);
      await assert.rejects(backUp(repository, place.at("src"), run), { code });
    });
  }

  test("nothing is restored to a wrong place", async () => {
    await using place = await newPlace("f");
    const { snapshot } = await backUp(place.repository, place.at("src"), run);
    for (const [to, code] of [
      ...["missing/out", "src/f/out"].map((name) => [name, "NOT_FOUND"] as const),
      ...["src", "src/f"].map((name) => [name, "ALREADY_EXISTS"] as const),
      ["n".repeat(256), "REFUSED"] as const,
    ]) {
      await place.repository.read(snapshot, run, async (reader) => {
        await assert.rejects(reader.tree("src", place.at(to)), { name: "AppError", code });
        await assert.rejects(reader.file("src/f", place.at(to)), { name: "AppError", code });
      });
    }
    await assertRestorable(place, snapshot, place.at("src"));
  });

  const skip = process.getuid?.() !== 0 && "only root can become somebody else";
  test("who is not root gets modes and times, but no setuid", { skip }, async () => {
    await using place = await newPlace("plain", "setuid");
    const { repository, at } = place;
    fs.chmodSync(at("src/plain"), 0o755);
    fs.chmodSync(at("src/setuid"), 0o4750);
    await backUp(repository, at("src"), run);
    // This takes the setuid from the source as well.
    execFileSync("chown", ["-R", "65534:65534", at("")]);
    const module = import.meta.resolve("../src/repository/repository.ts");
    const script = `import { folderBackend, openRepository } from "${module}";
      const run = { signal: new AbortController().signal, report: () => {} };
      const repository = await openRepository(folderBackend("${at("repo")}"), "${PASSWORD}", {}, run);
      const [snapshot] = await repository.snapshots(run);
      await repository.read(snapshot, run, (reader) => reader.tree("src", "${at("out")}"));`;
    fs.writeFileSync(at("restore.mjs"), script);
    execFileSync(process.execPath, [at("restore.mjs")], { uid: 65534, gid: 65534 });
    assertSameTrees(at("out"), at("src"));
  });
});
