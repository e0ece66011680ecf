import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import { suite, test } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { createDesk } from "./desk.ts";
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
  const store = async (read?: Read): Promise<number> => {
    await using temporary = await temporaryFolder();
    const desk = createDesk(key, 0x3da3358b4dc173n);
    const plain = randomBytes(4000);
    desk.memory.reserve(desk.plainFrom + plain.length);
    desk.memory.view(desk.plainFrom, plain.length).set(plain);
    desk.setPlainEnd(desk.plainFrom + plain.length);
    const spoolFolder = path.join(temporary.path, "spool");
    let packs = 0;
    const writer = createPackWriter("data", desk, { version: 2, spoolFolder, done: () => packs++ });
    writer.add(blobId(plain).toString("hex"), desk.plainFrom, plain.length);
    try {
      if (read !== undefined) fs.readSync = read as typeof readSync;
      syncBuiltinESMExports();
      writer.close();
    } finally {
      fs.readSync = readSync;
      syncBuiltinESMExports();
    }
    return packs;
  };

  test("what is read back as it was makes a pack", async () => assert.equal(await store(), 1));
  for (const [name, read] of Object.entries(LIES)) {
    test(`${name}: it does not count`, async () => {
      await assert.rejects(store(read), { code: "CORRUPT" });
    });
  }
});
