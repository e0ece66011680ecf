import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { suite, test } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { type BlobType, decodeHeader, type PackEntry } from "../format/pack-header.ts";
import { createDesk } from "./desk.ts";
import type { PackFile } from "./jobs.ts";
import { blobId, createPackWriter } from "./pack-writer.ts";

// Goal: a blob counts only once it was read back as it was written, whatever the disk does.

const key = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
const { readSync } = fs;

type Read = (
  descriptor: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number;

/** What a disk can do, given a call that reads. */
const LIES: Readonly<Record<string, Read>> = {
  "a bit is another": (descriptor, bytes, ...where) => {
    const got = readSync(descriptor, bytes, ...where);
    bytes[700]! ^= 1;
    return got;
  },
  "nothing is there": () => 0,
  "the end is missing": (descriptor, bytes, offset, _length, position) =>
    position === 0 ? readSync(descriptor, bytes, offset, 1000, position) : 0,
};

suite("pack writer", () => {
  /** What the packs say of a blob that was stored. */
  const store = async (
    read?: Read,
    plain = randomBytes(4000),
    type: BlobType = "data",
  ): Promise<PackEntry[]> => {
    await using temporary = await temporaryFolder();
    const desk = createDesk(key, 0x3da3358b4dc173n);
    desk.memory.reserve(desk.plainFrom + plain.length);
    desk.memory.view(desk.plainFrom, plain.length).set(plain);
    desk.setPlainEnd(desk.plainFrom + plain.length);
    const spoolFolder = path.join(temporary.path, "spool");
    const found: PackEntry[] = [];
    const done = ({ id, header }: PackFile): void =>
      void found.push(...decodeHeader(Buffer.from(header), id));
    const writer = createPackWriter(type, desk, { version: 2, spoolFolder, done });
    writer.add(blobId(plain).toString("hex"), desk.plainFrom, plain.length);
    try {
      if (read !== undefined) fs.readSync = read as typeof readSync;
      syncBuiltinESMExports();
      writer.close();
    } finally {
      fs.readSync = readSync;
      syncBuiltinESMExports();
    }
    return found;
  };

  test("what is read back as it was makes a pack", async () =>
    assert.equal((await store()).length, 1));
  for (const [name, read] of Object.entries(LIES)) {
    test(`${name}: it does not count`, async () => {
      await assert.rejects(store(read), { code: "CORRUPT" });
    });
  }

  test("what hardly shrinks is stored as it is, unless it is a tree", async () => {
    const isCompressed = async (zeros: number, type: BlobType): Promise<boolean> => {
      const plain = Buffer.concat([randomBytes(300_000), Buffer.alloc(zeros)]);
      const [entry] = await store(undefined, plain, type);
      return entry!.uncompressedLength > 0;
    };
    assert.equal(await isCompressed(4000, "data"), false);
    assert.equal(await isCompressed(30_000, "data"), false);
    assert.equal(await isCompressed(60_000, "data"), true);
    assert.equal(await isCompressed(4000, "tree"), true);
  });

  test("what repeats at a distance is compressed, whatever its bytes are", async () => {
    for (const distance of [20_000, 32_768, 300_000]) {
      const block = randomBytes(distance);
      const plain = Buffer.concat(Array.from({ length: Math.ceil(1e6 / distance) }, () => block));
      const [entry] = await store(undefined, plain, "data");
      assert(entry!.length < distance + 20_000, `${distance}: ${entry!.length} bytes`);
    }
  });

  test("a third of a long blob that shrinks is found, wherever it lies", async () => {
    const third = 350_000;
    for (const at of [0, 100_000, third, 500_000, 2 * third]) {
      const plain = randomBytes(3 * third);
      plain.fill(0, at, at + third);
      const [entry] = await store(undefined, plain, "data");
      assert(entry!.length < 2 * third + 10_000, `zeros at ${at}: ${entry!.length} bytes`);
    }
  });
});
