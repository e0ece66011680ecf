import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { suite, test } from "node:test";
import type { Jobs } from "../src/repository/workers/jobs.ts";
import { openPool } from "../src/repository/workers/pool.ts";
import { openThreads, type Thread, type Threads } from "../src/repository/workers/threads.ts";
import type { BlobSink } from "../src/repository/writer/blob-sink.ts";
import { createFileStore } from "../src/repository/writer/file-store.ts";
import { identityOf } from "../src/repository/workers/identity.ts";
import { ANOTHER_FILE, sourceError } from "../src/repository/workers/source-errors.ts";
import { lstatSync, truncateSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { temporaryFolder } from "./support/temporary.ts";

// Goal: threads that are used again never answer for another pool, and nobody waits for ever.

const key = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
const SETUP = { key, polynomial: 0x3da3358b4dc173n, version: 2, spoolFolder: tmpdir() } as const;
const nothing = (): Jobs["readBlobs"]["in"] => ({ packId: "", part: new Uint8Array(0), blobs: [] });
const LONG_MS = { timeout: 20_000 };

function watched(): Threads & { readonly taken: Thread[] } {
  const threads = openThreads();
  const taken: Thread[] = [];
  const take = (): Thread => {
    const thread = threads.take();
    taken.push(thread);
    return thread;
  };
  return { ...threads, take, taken };
}

suite("pools", LONG_MS, () => {
  test("what is asked while a pool is closed is refused, and disturbs no other", async () => {
    const threads = watched();
    const first = openPool(SETUP, threads);
    await first.run("finishFiles", { files: [] });
    const late = first.run("finishFiles", { files: [] });
    const closed = first[Symbol.asyncDispose]();
    await assert.rejects(late, { code: "UNAVAILABLE" });
    await closed;
    await using second = openPool(SETUP, threads);
    assert.deepEqual(await second.run("readBlobs", nothing()), { plain: [] });
    assert.equal(threads.taken[0], threads.taken[1]);
  });

  test("a thread that has ended is not given to the next pool", async () => {
    const threads = watched();
    const first = openPool(SETUP, threads);
    await first.run("finishFiles", { files: [] });
    const [{ worker }] = threads.taken as [Thread];
    worker.postMessage({ type: "close" }, []);
    await once(worker, "exit");
    await assert.rejects(first.run("finishFiles", { files: [] }), /ended by itself/);
    await first[Symbol.asyncDispose]();
    await using second = openPool(SETUP, threads);
    assert.deepEqual(await second.run("readBlobs", nothing()), { plain: [] });
  });

  test("an empty file in the place of a large one needs no thread", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "log");
    await writeFile(file, randomBytes(1_000_000));
    const seen = identityOf(lstatSync(file, { bigint: true }));
    const asked: string[] = [];
    const start: BlobSink["start"] = (kind) => {
      asked.push(kind);
      truncateSync(file);
      const done = Promise.reject(sourceError(asked.length === 1 ? ANOTHER_FILE : "EACCES", "no"));
      done.catch(() => {});
      return Promise.resolve({ done });
    };
    const store = createFileStore({ start } as BlobSink);
    const { done } = await store.store({ path: file, seen, chunking: "content" });
    assert.deepEqual(await done, { content: [], sizeBytes: 0, changed: true });
    assert.deepEqual(asked, ["scan"]);
  });
});
