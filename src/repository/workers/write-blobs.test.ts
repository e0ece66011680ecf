import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { testIn } from "../../../test/support/files.ts";
import { compress } from "../crypto/compress.ts";
import { SEAL_BYTES } from "../crypto/sealer.ts";
import type { ByteString } from "../format/go-string.ts";
import { createDesk } from "./desk.ts";
import type { WriteTarget } from "./jobs.ts";
import { blobId } from "./pack-writer.ts";
import { EDGES_LEFT_MAX, writeBlobs } from "./write-blobs.ts";
import { writeEdges } from "./write-edges.ts";

// Goal: blobs of one part come to their places, also those that are longer than any chunk.

const MIB = 1024 * 1024;
const key = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };

/** What shrinks, and is nowhere the same. */
const rows = (bytes: number): Buffer =>
  Buffer.from(Array.from({ length: bytes / 8 }, (_, n) => `row ${n}\n`).join("")).subarray(
    0,
    bytes,
  );

suite("writing blobs", () => {
  testIn("long ones beside short ones, twice, and of zeros", async (folder) => {
    const desk = createDesk(key, 0x3da3358b4dc173n);
    const plains = [
      { name: "f", plain: randomBytes(700_001) },
      { name: "g", plain: rows(9 * MIB + 1) },
      { name: "h", plain: randomBytes(300_001) },
      { name: "i", plain: randomBytes(9 * MIB + 1) },
      { name: "j", plain: Buffer.alloc(12 * MIB) },
      { name: "k", plain: rows(100_001) },
    ];
    let at = 0;
    const sealed: Buffer[] = [];
    const blobs = plains.map(({ name, plain }) => {
      const frame = compress(plain, 1);
      const isSmaller = frame.length < plain.length;
      const payload = isSmaller ? frame : plain;
      const length = payload.length + SEAL_BYTES;
      desk.memory.reserve(desk.plainFrom + payload.length + length);
      desk.memory.view(desk.plainFrom, payload.length).set(payload);
      const sealedAt = desk.plainFrom + payload.length;
      desk.sealer.seal(desk.plainFrom, payload.length, sealedAt);
      sealed.push(Buffer.from(desk.memory.view(sealedAt, length)));
      const offset = at;
      at += length;
      const to = (file: string): ByteString => path.join(folder, file);
      const targets = [name, `${name} again`].map((file) => ({ path: to(file), offset: 0 }));
      const id = blobId(plain).toString("hex");
      const uncompressedLength = isSmaller ? plain.length : 0;
      return { id, type: "data", offset, length, uncompressedLength, targets } as const;
    });
    const part = new Uint8Array(Buffer.concat(sealed));
    writeEdges(await writeBlobs({ packId: "pack", part, blobs, pastCache: true }, desk));
    for (const { name, plain } of plains) {
      for (const file of [name, `${name} again`]) {
        const found = readFileSync(path.join(folder, file));
        // Zeros are left to whoever gives the file its size.
        assert(found.equals(name === "j" ? Buffer.alloc(0) : plain), `${file}: ${found.length}`);
      }
    }
  });

  testIn("one content of many files leaves few edges, and all files are whole", async (folder) => {
    const desk = createDesk(key, 0x3da3358b4dc173n);
    const plain = randomBytes(256 * 1024 + 1);
    desk.memory.reserve(desk.plainFrom + 2 * plain.length + SEAL_BYTES);
    desk.memory.view(desk.plainFrom, plain.length).set(plain);
    const length = plain.length + SEAL_BYTES;
    const sealedAt = desk.plainFrom + plain.length;
    desk.sealer.seal(desk.plainFrom, plain.length, sealedAt);
    const part = Uint8Array.from(desk.memory.view(sealedAt, length));
    const files = Array.from({ length: EDGES_LEFT_MAX + 50 }, (_, n) => path.join(folder, `${n}`));
    const targets = files.map((file): WriteTarget => ({ path: file, offset: 0 }));
    const id = blobId(plain).toString("hex");
    const blob = { id, type: "data", offset: 0, length, uncompressedLength: 0, targets } as const;
    const left = await writeBlobs({ packId: "pack", part, blobs: [blob], pastCache: true }, desk);
    assert(left.edges.length <= EDGES_LEFT_MAX, `${left.edges.length} edges`);
    writeEdges(left);
    for (const file of files) assert(readFileSync(file).equals(plain), file);
  });
});
