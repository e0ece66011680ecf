import assert from "node:assert/strict";
import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { randomBytes, randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import path from "node:path";
import { suite, test } from "node:test";
import type { Worker } from "node:worker_threads";
import { folderBackend } from "../src/backends/folder.ts";
import { memoryBackend } from "../src/backends/memory.ts";
import { AppError, hasCode } from "../src/base/errors.ts";
import { TEMPORARY_PREFIX } from "../src/base/fs.ts";
import { CHUNK_BYTES_MIN } from "../src/repository/chunk-limits.ts";
import type { Core } from "../src/repository/core.ts";
import { packParts } from "../src/repository/reader/with-part.ts";
import { createRepository, openRepository, type Snapshot } from "../src/repository/repository.ts";
import { assertSameTrees } from "./support/compare-trees.ts";
import { EXHAUSTIVE_STEP } from "./support/exhaustive.ts";
import { faultyBackend } from "./support/faulty.ts";
import { makeOddTree } from "./support/odd-tree.ts";
import { backUp, CHEAP, newRepository } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

const run = quietRun();

async function smallTree(folder: string): Promise<void> {
  await mkdir(path.join(folder, "sub"), { recursive: true });
  await writeFile(path.join(folder, "text"), "hello ".repeat(1000));
  await writeFile(path.join(folder, "sub", "large"), randomBytes(3 * CHUNK_BYTES_MIN));
}

suite("repository", () => {
  test("gives back an odd tree as it was, and reads nothing twice", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await makeOddTree(at("odd"));
    const repository = await newRepository(at("repo"), run);
    const first = await backUp(repository, at("odd"), run);
    await repository.read(first.snapshot, run, (reader) => reader.tree("odd", at("out")));
    assertSameTrees(at("out"), at("odd"));
    const second = await backUp(repository, at("odd"), run, first.snapshot);
    assert.equal(second.filesChanged, 0);
    assert.equal(second.bytesAdded, 0);
    assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
    assert.deepEqual(readdirSync(at("repo/locks")), []);
    assert.deepEqual(readdirSync(at("repo/tmp")), []);
  });

  test("threads that have read well are used again, and such as died or stopped in the middle are not", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await smallTree(at("tree"));
    const repository = await newRepository(at("repo"), run);
    const { snapshot } = await backUp(repository, at("tree"), run);
    const started: Worker[] = [];
    const note = (message: unknown): void =>
      void started.push((message as { readonly worker: Worker }).worker);
    subscribe("worker_threads", note);
    let restores = 0;
    const restore = (signal = run.signal): Promise<unknown> => {
      const target = at(`out${++restores}`);
      return repository.read(snapshot, { ...run, signal }, (reader) => reader.tree("tree", target));
    };
    try {
      await restore();
      const { length } = started;
      assert(length > 0);
      await restore();
      await repository.check({ readData: "all" }, run);
      assert.equal(started.length, length);
      // One that dies while nobody needs it must not end the process.
      await Promise.all(started.map((worker) => worker.terminate()));
      await restore();
      assert(started.length > length);
      assertSameTrees(at(`out${restores}`), at("tree"));
      const cancelled = new AbortController();
      const late = restore(cancelled.signal);
      cancelled.abort();
      await assert.rejects(late);
      await restore();
      assertSameTrees(at(`out${restores}`), at("tree"));
    } finally {
      unsubscribe("worker_threads", note);
    }
  });

  test("readers load index and snapshots once, then what was added, and all anew once some of it has gone", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await smallTree(at("tree"));
    const writing = await newRepository(at("repo"), run);
    let loaded = 0;
    const backend = folderBackend(at("repo"));
    const counting = {
      ...backend,
      get: (...args: Parameters<typeof backend.get>) => {
        if (/^(index|snapshots)\//.test(args[0])) loaded++;
        return backend.get(...args);
      },
    };
    const reading = await openRepository(counting, PASSWORD, {}, run);
    let out = 0;
    const readAndCount = async ({ snapshot }: { snapshot: Snapshot }): Promise<number> => {
      loaded = 0;
      const target = at(`out${++out}`);
      await reading.read(snapshot, run, (reader) => reader.tree("tree", target));
      assertSameTrees(target, at("tree"));
      return loaded;
    };
    const first = await backUp(writing, at("tree"), run);
    const listAndCount = async (): Promise<number> => {
      loaded = 0;
      await reading.snapshots(run);
      return loaded;
    };
    assert.deepEqual([await listAndCount(), await listAndCount()], [1, 0]);
    assert.equal(await readAndCount(first), 1);
    assert.equal(await readAndCount(first), 0);
    await writeFile(at("tree/new"), randomBytes(1000));
    const second = await backUp(writing, at("tree"), run, first.snapshot);
    const both = await Promise.all([readAndCount(second), readAndCount(second)]);
    assert.equal(both[1], 1);
    assert.equal(await listAndCount(), 1);
    await writing.forget([first.snapshot.id], run);
    assert.deepEqual(
      (await reading.snapshots(run)).map(({ id }) => id),
      [second.snapshot.id],
    );
    await writing.repairIndex(run);
    assert.equal(await readAndCount(second), 1);
    await rm(at("repo/index"), { recursive: true });
    await mkdir(at("repo/index"));
    await assert.rejects(readAndCount(second), (e) => hasCode(e, "CORRUPT"));
    await writing.repairIndex(run);
    assert.equal(await readAndCount(second), 1);
  });

  test("who waits for another's index can be cancelled", async () => {
    await using temporary = await temporaryFolder();
    const at = path.join(temporary.path, "repo");
    const { snapshot } = await (async () => {
      await smallTree(path.join(temporary.path, "tree"));
      return await backUp(await newRepository(at, run), path.join(temporary.path, "tree"), run);
    })();
    const backend = folderBackend(at);
    const [asked, answers] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow = {
      ...backend,
      async *list(...args: Parameters<typeof backend.list>) {
        if (args[0] === "index/") asked.resolve();
        if (args[0] === "index/") await answers.promise;
        yield* backend.list(...args);
      },
    };
    const repository = await openRepository(slow, PASSWORD, {}, run);
    const read = async (signal: AbortSignal): Promise<void> =>
      await repository.read(snapshot, { ...run, signal }, async () => {});
    const first = read(new AbortController().signal);
    await asked.promise;
    const cancelled = assert.rejects(read(AbortSignal.timeout(200)), { name: "TimeoutError" });
    const late = setTimeout(() => answers.reject(new Error("it waited for the other")), 10_000);
    await cancelled;
    clearTimeout(late);
    answers.resolve();
    await first;
  });

  test("parts of packs that are read at once do not lie in the same memory; afterwards it is used again", async () => {
    const backend = {
      ...memoryBackend(),
      get: async (key: string, _range: unknown, _run: unknown, into?: Uint8Array) =>
        into!.fill(key.charCodeAt("data/aa/".length)),
    };
    const withPart = packParts({ backend } as unknown as Core);
    const seen = new Set<ArrayBufferLike>();
    const use = async (name: string): Promise<void> =>
      await withPart(name.repeat(64), { offsetBytes: 0, lengthBytes: 1000 }, run, async (part) => {
        assert(part instanceof Uint8Array);
        seen.add(part.buffer);
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert(part.every((byte) => byte === name.charCodeAt(0)));
      });
    for (let round = 0; round < 3; round++) await Promise.all(["a", "b", "c"].map(use));
    assert.equal(seen.size, 3);
  });

  test("prune clears up after those that crashed, and leaves alone what others have where files are spooled", async () => {
    await using temporary = await temporaryFolder();
    const spool = path.join(temporary.path, "repo/tmp");
    const repository = await newRepository(path.dirname(spool), run);
    const old = new Date(0);
    const ours = [randomUUID(), `${TEMPORARY_PREFIX}${randomUUID()}`];
    const others = ["a folder", "notes.txt", "e"];
    for (const name of [ours[0]!, others[0]!]) {
      await mkdir(path.join(spool, name), { recursive: true });
      await writeFile(path.join(spool, name, "file"), "x");
    }
    for (const name of [ours[1]!, ...others.slice(1)]) {
      await writeFile(path.join(spool, name), "x");
      utimesSync(path.join(spool, name), old, old);
    }
    await repository.prune("do", run);
    assert.deepEqual(readdirSync(spool).toSorted(), others.toSorted());
    assert.equal(readFileSync(path.join(spool, "a folder/file"), "utf8"), "x");
  });

  test("bytes that were handed over are not stored again, as nothing", async () => {
    await using temporary = await temporaryFolder();
    const repository = await newRepository(path.join(temporary.path, "repo"), run);
    const metadata = { mode: 0o100600, uid: 0, gid: 0, mtimeNs: 0n };
    const bytes = randomBytes(20_000);
    const twice = repository.write(undefined, run, async (writer) => {
      await writer.bytes("a", bytes, metadata);
      await writer.bytes("b", bytes, metadata);
    });
    await assert.rejects(twice, (error) => hasCode(error, "USAGE"));
  });

  test("refuses a wrong password, an empty place, a place in use, a newer version", async () => {
    await using temporary = await temporaryFolder();
    const repo = path.join(temporary.path, "repo");
    const open = (password: string): Promise<unknown> =>
      openRepository(folderBackend(repo), password, {}, run);
    await assert.rejects(open(PASSWORD), (e) => hasCode(e, "NOT_FOUND"));
    await newRepository(repo, run);
    await assert.rejects(open("wrong"), (e) => hasCode(e, "WRONG_KEY"));
    const again = createRepository(folderBackend(repo), PASSWORD, { cost: CHEAP }, run);
    await assert.rejects(again, (e) => hasCode(e, "ALREADY_EXISTS"));
  });

  test("says of each kind of damage what is damaged, and never gives back wrong bytes", async () => {
    for (const kind of ["config", "keys", "index", "snapshots", "data"]) {
      for (const damage of ["flip", "truncate", "empty", "remove"]) {
        await using temporary = await temporaryFolder();
        const repo = path.join(temporary.path, "repo");
        const source = path.join(temporary.path, "source");
        await smallTree(source);
        const made = await newRepository(repo, run);
        await backUp(made, source, run);
        for (const file of filesOf(repo, kind)) await harm(file, damage);
        const use = async (): Promise<void> => {
          const repository = await openRepository(folderBackend(repo), PASSWORD, {}, run);
          const [snapshot] = await repository.snapshots(run);
          if (snapshot === undefined) throw new AppError("NOT_FOUND", "no snapshot is left");
          const { errors } = await repository.check({ readData: "all" }, run);
          assert.notDeepEqual(errors, [], `check sees nothing: ${kind} ${damage}`);
          const target = path.join(temporary.path, "out");
          await repository.read(snapshot, run, (reader) => reader.tree("source", target));
        };
        await assert.rejects(use, (error) => {
          assert(error instanceof AppError, `${kind} ${damage}: ${String(error)}`);
          const codes = ["CORRUPT", "NOT_FOUND", "WRONG_KEY"];
          assert(codes.includes(error.code), `${kind} ${damage}: ${error.code}`);
          return true;
        });
      }
    }
  });

  test("whichever call of the backend fails, the repository stays sound", async (t) => {
    await using temporary = await temporaryFolder();
    const source = path.join(temporary.path, "source");
    await smallTree(source);
    let tried = 0;
    for (const when of ["before", "after"] as const) {
      for (let n = 1, through = false; !through; n += EXHAUSTIVE_STEP) {
        const repo = path.join(temporary.path, `${when}-${n}`);
        const sound = await newRepository(repo, run);
        const first = await backUp(sound, source, run);
        await writeFile(path.join(source, "text"), `changed ${n}`);
        const backend = faultyBackend(folderBackend(repo), n, when);
        try {
          const faulty = await openRepository(backend, PASSWORD, {}, run);
          await backUp(faulty, source, run, first.snapshot);
          await faulty.forget([first.snapshot.id], run);
          await faulty.prune("do", run);
          through = backend.calls() < n;
        } catch (error) {
          assert(hasCode(error, "UNAVAILABLE"), String(error));
        }
        for (const lock of readdirSync(path.join(repo, "locks"))) {
          // A lock that could not be removed is what a crash leaves too.
          rmSync(path.join(repo, "locks", lock));
        }
        const { errors } = await sound.check({ readData: "all" }, run);
        assert.deepEqual(errors, [], `call ${n} failed ${when} its effect`);
        tried++;
      }
    }
    t.diagnostic(`${tried} failing calls, 0 violations`);
  });

  test("does nothing once cancelled, and leaves no lock", async () => {
    await using temporary = await temporaryFolder();
    const source = path.join(temporary.path, "source");
    await smallTree(source);
    const repo = path.join(temporary.path, "repo");
    const repository = await newRepository(repo, run);
    const stop = new AbortController();
    const cancelled = repository.write(undefined, quietRun(stop.signal), async (writer) => {
      await writer.tree("source", source, {});
      stop.abort();
      return await writer.commit({ time: new Date(), paths: [source] });
    });
    await assert.rejects(cancelled, { name: "AbortError" });
    assert.deepEqual(await repository.snapshots(run), []);
    assert.deepEqual(readdirSync(path.join(repo, "locks")), []);
  });
});

function filesOf(repo: string, kind: string): string[] {
  if (kind === "config") return [path.join(repo, "config")];
  return readdirSync(path.join(repo, kind), { recursive: true, encoding: "utf8" })
    .map((name) => path.join(repo, kind, name))
    .filter((file) => statSync(file).isFile());
}

async function harm(file: string, damage: string): Promise<void> {
  if (damage === "remove") return rmSync(file);
  await chmod(file, 0o600);
  if (damage === "empty") return truncateSync(file, 0);
  if (damage === "truncate") return truncateSync(file, Math.floor(statSync(file).size / 2));
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(file, bytes);
}
