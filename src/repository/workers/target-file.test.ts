import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { testIn } from "../../../test/support/files.ts";
import type { FileEdge } from "./jobs.ts";
import { BLOCK_BYTES, type Edge, openTarget } from "./target-file.ts";
import { writeEdges } from "./write-edges.ts";

// Goal: what is written past the cache, beside what goes through it, is what lies in the file.

const MIB = 1024 * 1024;

/** As a thread has its memory: it begins at a block. */
function inMemory(content: Uint8Array, position: number): Uint8Array {
  const memory = new WebAssembly.Memory({ initial: content.length / 65_536 + 2 });
  const bytes = new Uint8Array(memory.buffer, position % BLOCK_BYTES, content.length);
  bytes.set(content);
  return bytes;
}

const ofFile = (name: string, edges: readonly Edge[]): FileEdge[] =>
  edges.map((edge) => ({ ...edge, path: name }));

suite("a file that is restored", () => {
  const content = randomBytes(6 * MIB + 777);

  for (const cut of [1, BLOCK_BYTES - 1, BLOCK_BYTES, 1_500_001, 3 * MIB, 5 * MIB + 4095]) {
    testIn(`two write to it at the same time, on both sides of ${cut}`, async (folder) => {
      const name = path.join(folder, "f");
      using before = openTarget(name, true);
      using behind = openTarget(name, true);
      const edges = await Promise.all([
        before.write(inMemory(content.subarray(0, cut), 0), 0),
        behind.write(inMemory(content.subarray(cut), cut), cut),
      ]);
      writeEdges({ edges: ofFile(name, edges.flat()) });
      assert(readFileSync(name).equals(content));
    });
  }

  testIn("what lies anywhere in memory is written as well", async (folder) => {
    const name = path.join(folder, "f");
    using file = openTarget(name, true);
    // The system refuses this address, if it is asked.
    await file.write(new Uint8Array(content.subarray(0, 4 * MIB)), 0);
    await file.write(new Uint8Array(content.subarray(4 * MIB)), 4 * MIB);
    assert(readFileSync(name).equals(content));
  });

  testIn("pieces in any order, some long enough to pass the cache by", async (folder) => {
    const name = path.join(folder, "f");
    using file = openTarget(name, true);
    const ends = [300, 70_000, 400_000, 1_000_000, 1_000_001, 3_000_000, content.length];
    const pieces = ends.map((end, i) => ({ from: ends[i - 1] ?? 0, end }));
    const edges: Edge[] = [];
    for (const { from, end } of [...pieces.slice(3), ...pieces.slice(0, 3)].toReversed()) {
      edges.push(...(await file.write(inMemory(content.subarray(from, end), from), from)));
    }
    writeEdges({ edges: ofFile(name, edges) });
    assert(readFileSync(name).equals(content));
  });
});
