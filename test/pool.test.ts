import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { suite, test } from "node:test";
import type { Jobs } from "../src/repository/workers/jobs.ts";
import { openPool } from "../src/repository/workers/pool.ts";
import { openThreads, type Thread, type Threads } from "../src/repository/workers/threads.ts";

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

  test("threads that give way do so for one pool only", async () => {
    const lowered = (): number =>
      readdirSync("/proc/self/task").filter((task) => getPriority(Number(task)) === 10).length;
    const owner = { claim: () => new Uint8Array(0), pack: () => {} };
    const threads = openThreads();
    const first = openPool(SETUP, threads, { owner, threadsMax: 1 });
    await first.run("finishFiles", { files: [] });
    assert.equal(lowered(), 0);
    first.giveWay();
    await first.run("finishFiles", { files: [] });
    assert.equal(lowered(), 1);
    await first[Symbol.asyncDispose]();
    await using late = openPool(SETUP, threads, { owner, threadsMax: 1 });
    late.giveWay();
    await late.run("finishFiles", { files: [] });
    assert.equal(lowered(), 1, "one that is taken later gives way, too");
    await using second = openPool(SETUP, threads, { threadsMax: 1 });
    await second.run("finishFiles", { files: [] });
    assert.equal(lowered(), 1);
  });
});
