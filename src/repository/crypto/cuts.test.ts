import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { randomPolynomial, WINDOW_BYTES } from "../format/polynomial.ts";
import { FREE_FROM, layTables, openHot } from "./hot.ts";

const POLYNOMIAL = randomPolynomial();
const DEGREE_BIT = 1n << 53n;

/** Times x^8 plus a byte, reduced bit by bit: as the definition has it, without a table. */
function appended(digest: bigint, byte: number): bigint {
  let next = digest;
  for (let bit = 7; bit >= 0; bit--) {
    next = (next << 1n) | BigInt((byte >> bit) & 1);
    if ((next & DEGREE_BIT) !== 0n) next ^= POLYNOMIAL;
  }
  return next;
}

/** The fingerprint of each 64 bytes; the one before `at` is at `at`. */
function fingerprints(data: Buffer): bigint[] {
  const gone = Array.from({ length: 256 }, (_, byte) => {
    let digest = BigInt(byte);
    for (let i = 0; i < WINDOW_BYTES; i++) digest = appended(digest, 0);
    return digest;
  });
  const all: bigint[] = [0n];
  for (const [at, byte] of data.entries()) {
    const leaving = at < WINDOW_BYTES ? 0n : gone[data[at - WINDOW_BYTES]!]!;
    all.push(appended(all[at]!, byte) ^ leaving);
  }
  return all;
}

const SIZE = 200_000;

test("finds the first place whose fingerprint ends with so many zeros, wherever it lies", () => {
  const { hot, memory } = openHot();
  layTables(hot, memory, POLYNOMIAL);
  const data = randomBytes(SIZE);
  // Bytes of one kind, as holes and headers have them, between others.
  data.fill(0, 50_000, 51_000).fill(255, 90_000, 90_200);
  const base = FREE_FROM + 100;
  memory.reserve(base + SIZE);
  memory.view(base, SIZE).set(data);
  const digests = fingerprints(data);
  let found = 0;
  for (let round = 0; round < 1500; round++) {
    const from = randomInt(WINDOW_BYTES, SIZE - 1);
    // From nothing to more than three times what is searched at once.
    const to = Math.min(SIZE, from + randomInt(2 ** randomInt(1, 18)));
    const mask = (1n << BigInt(randomInt(8, 22))) - 1n;
    // The two share memory, but nothing that one of them needs to keep.
    hot.poly1305(FREE_FROM, base, round, FREE_FROM + 16, FREE_FROM + 32);
    const place = digests.findIndex(
      (digest, at) => at >= from && at < to && (digest & mask) === 0n,
    );
    const expected = place === -1 ? 0 : base + place;
    assert.equal(hot.findCut(base + from, base + to, mask), expected, `${from} ${to} ${mask}`);
    if (place !== -1) found++;
  }
  assert(found > 200, `${found} places were found`);
});
