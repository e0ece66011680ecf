import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { SEAL_BYTES } from "../crypto/sealer.ts";
import { createDesk } from "./desk.ts";
import { layPart, openBlob } from "./open-blobs.ts";
import { blobId } from "./pack-writer.ts";

// Goal: a blob is opened wherever it is to lie, however little of the memory was in use before.

const key = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };

suite("opening a blob", () => {
  for (const bytes of [0, 1, 5000]) {
    for (const plainAt of [undefined, 65_537, 300_001]) {
      test(`of ${bytes} bytes, at ${plainAt ?? "its own place"}`, () => {
        const plain = randomBytes(bytes);
        const from = createDesk(key, 0x3da3358b4dc173n);
        from.memory.reserve(from.plainFrom + 2 * bytes + SEAL_BYTES);
        from.memory.view(from.plainFrom, bytes).set(plain);
        const sealedAt = from.plainFrom + bytes;
        from.sealer.seal(from.plainFrom, bytes, sealedAt);
        const part = Uint8Array.from(from.memory.view(sealedAt, bytes + SEAL_BYTES));

        const desk = createDesk(key, 0x3da3358b4dc173n);
        using laid = layPart(part, part.length, "pack", desk);
        const id = blobId(plain).toString("hex");
        const blob = { id, type: "data", offset: 0, length: part.length } as const;
        const opened = openBlob(laid, { ...blob, uncompressedLength: 0 }, "pack", desk, plainAt);
        assert.deepEqual(Buffer.from(opened), plain);
        if (plainAt !== undefined) assert.equal(opened.byteOffset, plainAt);
      });
    }
  }
});
