import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { setImmediate as soon } from "node:timers/promises";
import { suite, test } from "node:test";
import { readAhead } from "./read-ahead.ts";

// Goal: a stream is read before anybody asks, but only so far, and all of it arrives.

const PARTS = 40;
const PART_BYTES = 1000;
const AHEAD_BYTES = 8 * PART_BYTES;

/** Numbered parts; says how many were taken. */
function numbered(end: "ends" | "fails" | "is closed" = "ends"): {
  stream: Readable;
  taken: () => number;
} {
  let taken = 0;
  const stream = new Readable({
    highWaterMark: PART_BYTES,
    read() {
      if (taken < PARTS) this.push(Buffer.alloc(PART_BYTES, taken++));
      else if (end === "ends") this.push(null);
      else this.destroy(end === "fails" ? new Error("it broke off") : undefined);
    },
  });
  return { stream, taken: () => taken };
}

const numbers = async (parts: AsyncIterable<Buffer>): Promise<number[]> =>
  (await Array.fromAsync(parts)).map((part) => part[0]!);

const ALL = Array.from({ length: PARTS }, (_, n) => n);

async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await soon();
}

suite("reading ahead", () => {
  test("so much is taken while nobody asks, and no more", async () => {
    const { stream, taken } = numbered();
    const parts = readAhead(stream, AHEAD_BYTES);
    assert.equal((await parts.next()).value![0], 0);
    await settled();
    const ahead = taken();
    assert(ahead >= 8 && ahead <= 11, `${ahead} parts`);
    assert.deepEqual(await numbers(parts), ALL.slice(1));
    assert(stream.destroyed);
  });

  test("a reader who is slow, and one who is fast, get all of it in order", async () => {
    assert.deepEqual(await numbers(readAhead(numbered().stream, AHEAD_BYTES)), ALL);
    const slow: number[] = [];
    for await (const part of readAhead(numbered().stream, AHEAD_BYTES)) {
      await settled();
      slow.push(part[0]!);
    }
    assert.deepEqual(slow, ALL);
  });

  test("what came before a failure is given, then the failure", async () => {
    const got: number[] = [];
    await assert.rejects(async () => {
      const parts = readAhead(numbered("fails").stream, AHEAD_BYTES);
      for await (const part of parts) got.push(part[0]!);
    }, /it broke off/);
    assert.deepEqual(got, ALL);
  });

  test("a stream that is closed ends, and one that nobody reads any more is closed", async () => {
    assert.deepEqual(await numbers(readAhead(numbered("is closed").stream, AHEAD_BYTES)), ALL);
    const { stream, taken } = numbered();
    for await (const part of readAhead(stream, AHEAD_BYTES)) if (part[0] === 3) break;
    assert(stream.destroyed);
    assert(taken() < PARTS);
  });
});
