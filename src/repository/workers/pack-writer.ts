import { hash as hashOnce, createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readSync } from "node:fs";
import { AppError } from "../../base/errors.ts";
import { temporaryIn } from "../../base/fs.ts";
import { PACK_BYTES } from "../chunk-limits.ts";
import { SEAL_BYTES } from "../crypto/sealer.ts";
import { frameBytesMax } from "../crypto/zstd.ts";
import { type BlobType, encodeHeader, type PackEntry } from "../format/pack-header.ts";
import type { PackFile } from "./jobs.ts";
import type { Desk } from "./desk.ts";
import { writeAll } from "./write-all.ts";

/** Sealed blobs are written and read back together up to this size. */
const BATCH_BYTES = 1024 * 1024;
/** So much is written, read and hashed at once: it is still near the processor then. */
const PIECE_BYTES = 128 * 1024;

/**
 * Below this gain a blob is stored as it is, as restic stores most of them: who writes and everybody who
 * reads would need a third more time. Vectors of floats gain 7 to 9 %, by their exponents alone.
 */
const GAIN_MIN = 0.1;
/** So many samples of so many bytes tell of a longer blob whether its bytes have a pattern. */
const SAMPLES = 4;
const SAMPLE_BYTES = 16 * 1024;
const SAMPLED_FROM = 4 * SAMPLES * SAMPLE_BYTES;

type Pending = {
  readonly id: string;
  readonly plainAt: number;
  readonly plainLength: number;
  readonly sealedAt: number;
  readonly sealedLength: number;
  readonly compressed: boolean;
};

type OpenPack = {
  readonly file: string;
  readonly descriptor: number;
  readonly hash: ReturnType<typeof createHash>;
  readonly entries: PackEntry[];
  sizeBytes: number;
};

/** Writes blobs of one type into packs, as files of the spool folder. */
export type PackWriter = {
  /**
   * Compresses and seals the blob whose plain bytes lie on the desk, where they have to stay until
   * `flush`. Its id is given in hex.
   */
  add(id: string, plainAt: number, plainLength: number): void;
  /** Writes what was added, reads it back and compares. CORRUPT when it is not the same. */
  flush(): void;
  /** Ends the pack, if there is one. */
  close(): void;
};

export function createPackWriter(
  type: BlobType,
  desk: Desk,
  options: { version: 1 | 2; spoolFolder: string; done: (pack: PackFile) => void },
): PackWriter {
  const { memory, sealer, hot } = desk;
  let pending: Pending[] = [];
  let pack: OpenPack | undefined;
  let batchAt = 0;
  let batchBytes = 0;

  const openPack = (): OpenPack => {
    mkdirSync(options.spoolFolder, { recursive: true, mode: 0o700 });
    const file = temporaryIn(options.spoolFolder);
    const descriptor = openSync(file, "wx+", 0o600);
    return { file, descriptor, hash: createHash("sha256"), entries: [], sizeBytes: 0 };
  };

  /** Compresses what lies at `plainAt` to `at`; undefined when it is better stored as it is. */
  const encode = (plainAt: number, plainLength: number, at: number): number | undefined => {
    if (options.version === 1) return undefined;
    memory.reserve(at + frameBytesMax(plainLength));
    const target = memory.view(at, frameBytesMax(plainLength));
    const plain = memory.view(plainAt, plainLength);
    // Trees are always compressed in version 2.
    if (type === "tree") return desk.zstd.compress(plain, target);
    const isGain = (length: number, of: Uint8Array): boolean => length < of.length * (1 - GAIN_MIN);
    const isWorthIt =
      plainLength < SAMPLED_FROM ||
      samplesOf(plain).some((sample) => isGain(desk.zstd.compress(sample, target), sample)) ||
      // What repeats at a distance no sample tells.
      isGain(desk.zstd.compressRepeats(plain, target), plain);
    const length = isWorthIt ? desk.zstd.compress(plain, target) : plainLength;
    return isGain(length, plain) ? length : undefined;
  };

  /** The sealed batch, as the file system gives it back, overwrites the one in memory. */
  const readBack = (from: OpenPack): void => {
    for (let done = 0; done < batchBytes; done += PIECE_BYTES) {
      const piece = memory.view(batchAt + done, Math.min(PIECE_BYTES, batchBytes - done));
      writeAll(from.descriptor, piece, from.sizeBytes + done);
      readAll(from.descriptor, piece, from.sizeBytes + done);
      from.hash.update(piece);
    }
  };

  const isSame = (blob: Pending): boolean => {
    const { plainAt, plainLength, sealedAt, sealedLength, compressed } = blob;
    const payload = sealedLength - SEAL_BYTES;
    if (!sealer.open(sealedAt, sealedLength)) return false;
    if (!compressed) {
      return payload === plainLength && hot.equal(sealedAt + 16, plainAt, payload) === 1;
    }
    const at = batchAt + batchBytes;
    memory.reserve(at + plainLength);
    const frame = memory.view(sealedAt + 16, payload);
    const length = desk.zstd.decompress(frame, memory.view(at, plainLength));
    return length === plainLength && hot.equal(at, plainAt, plainLength) === 1;
  };

  const verify = (blob: Pending): void => {
    if (isSame(blob)) return;
    const what = `store blob ${blob.id}`;
    throw new AppError("CORRUPT", `${what}: it reads back differently from what was written`, {
      hint: "The memory or the disk of this machine is at fault. Test both before you trust it with data.",
    });
  };

  const flush = (): void => {
    if (pending.length === 0) return;
    pack ??= openPack();
    readBack(pack);
    for (const blob of pending) {
      verify(blob);
      pack.entries.push({
        id: blob.id,
        type,
        offset: pack.sizeBytes,
        length: blob.sealedLength,
        uncompressedLength: blob.compressed ? blob.plainLength : 0,
      });
      pack.sizeBytes += blob.sealedLength;
    }
    pending = [];
    batchBytes = 0;
    if (pack.sizeBytes >= PACK_BYTES) close();
  };

  const close = (): void => {
    if (pack === undefined) return;
    const { file, descriptor, entries, hash, sizeBytes } = pack;
    const header = encodeHeader(entries);
    const sealed = desk.box.seal(header);
    const tail = Buffer.alloc(sealed.length + 4);
    tail.set(sealed);
    tail.writeUInt32LE(sealed.length, sealed.length);
    writeAll(descriptor, tail, sizeBytes);
    closeSync(descriptor);
    pack = undefined;
    options.done({ file, id: hash.update(tail).digest("hex"), header });
  };

  return {
    add(id, plainAt, plainLength) {
      if (pending.length === 0) batchAt = desk.batchAt();
      // A frame is made where its ciphertext will lie, and sealed in place.
      const sealedAt = batchAt + batchBytes;
      const frameLength = encode(plainAt, plainLength, sealedAt + 16);
      const compressed = frameLength !== undefined;
      const payloadLength = frameLength ?? plainLength;
      const sealedLength = payloadLength + SEAL_BYTES;
      memory.reserve(sealedAt + sealedLength);
      sealer.seal(compressed ? sealedAt + 16 : plainAt, payloadLength, sealedAt);
      pending.push({ id, plainAt, plainLength, sealedAt, sealedLength, compressed });
      batchBytes += sealedLength;
      if (batchBytes >= BATCH_BYTES) flush();
    },
    flush,
    close() {
      flush();
      close();
    },
  };
}

/** The first and the last with the edges of the blob, the others between. */
function samplesOf(plain: Uint8Array): Uint8Array[] {
  const step = (plain.length - SAMPLE_BYTES) / (SAMPLES - 1);
  return Array.from({ length: SAMPLES }, (_, sample) => {
    const at = Math.floor(sample * step);
    return plain.subarray(at, at + SAMPLE_BYTES);
  });
}

function readAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const got = readSync(descriptor, bytes, done, bytes.length - done, position + done);
    // What is missing must not be what was there before: no seal opens that way.
    if (got === 0) return void bytes.fill(0, done);
    done += got;
  }
}

/** The id of a blob. */
export function blobId(plain: Uint8Array): Buffer {
  return hashOnce("sha256", plain, "buffer");
}
