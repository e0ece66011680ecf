import assert from "node:assert/strict";
import { test } from "node:test";
import { planParts, type Wanted } from "./pack-parts.ts";

const MIB = 1024 * 1024;

/** Blobs that lie one behind the other in a pack. */
function neighbours(count: number, length: number, uncompressedLength: number): Wanted[] {
  return Array.from({ length: count }, (_, i) => ({
    id: String(i),
    place: { packId: "a pack", type: "data", offset: i * length, length, uncompressedLength },
    path: "a file",
    offset: i * uncompressedLength,
  }));
}

test("neighbours are read together, up to some megabytes, none twice and none left out", () => {
  const parts = [...planParts(neighbours(16, MIB, 0))];
  assert.deepEqual(
    parts.map(({ range }) => range),
    [0, 4, 8, 12].map((at) => ({ offsetBytes: at * MIB, lengthBytes: 4 * MIB })),
  );
  assert.deepEqual(
    parts.flatMap(({ blobs }) => blobs.map(({ id }) => Number(id))),
    Array.from({ length: 16 }, (_, i) => i),
  );
});

test("what shrinks to nothing does not become gigabytes at once", () => {
  const parts = [...planParts(neighbours(500, 1000, 8 * MIB))];
  assert.equal(parts.flatMap(({ blobs }) => blobs).length, 500);
  for (const { plainBytes } of parts) assert(plainBytes <= 16 * MIB, String(plainBytes));
});

test("one that is larger than a part is a part of its own", () => {
  const parts = [...planParts(neighbours(3, 9 * MIB, 40 * MIB))];
  assert.deepEqual(
    parts.map(({ blobs }) => blobs.length),
    [1, 1, 1],
  );
});
