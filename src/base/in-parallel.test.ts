import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Run } from "./events.ts";
import { allAtOnce } from "./in-parallel.ts";

const quiet = (signal = new AbortController().signal): Run => ({ signal, report: () => {} });

test("all that was given comes back in its order", async () => {
  const works = [30, 10, 20].map((ms) => () => setTimeout(ms, ms));
  assert.deepEqual(await allAtOnce(works, quiet()), [30, 10, 20]);
});

test("the first that fails ends the others, and is what is told of", async () => {
  let atWork = 0;
  const long = async ({ signal }: Run): Promise<void> => {
    atWork++;
    await setTimeout(10_000, undefined, { signal }).finally(() => atWork--);
  };
  const failing = async (): Promise<void> => {
    await setTimeout(50);
    throw new Error("no room");
  };
  const started = performance.now();
  await assert.rejects(allAtOnce([long, failing, long], quiet()), { message: "no room" });
  assert(performance.now() - started < 5000);
  assert.equal(atWork, 0);
});

test("cancelled, all end", async () => {
  const stop = new AbortController();
  const long = async ({ signal }: Run): Promise<void> => setTimeout(10_000, undefined, { signal });
  const work = allAtOnce([long, long], quiet(stop.signal));
  stop.abort();
  await assert.rejects(work, { name: "AbortError" });
});
