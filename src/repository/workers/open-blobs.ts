import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { translateReadError } from "../../base/disk-errors.ts";
import { AppError, systemCode } from "../../base/errors.ts";
import { IV_BYTES, SEAL_BYTES } from "../crypto/sealer.ts";
import { HINT_CHECK } from "../files.ts";
import type { Desk } from "./desk.ts";
import type { PackBytes, StoredBlob } from "./jobs.ts";
import { blobId } from "./pack-writer.ts";

/** What claims to be larger is a bomb: chunks have 8 MiB, and a tree of a million files 500 MiB. */
const BLOB_BYTES_MAX = 1024 ** 3;

/** A part of a pack, as much of it on the desk as is needed. */
export type LaidPart = Disposable & {
  readonly length: number;
  /** Where on the desk it lies; behind `end` nothing of it ever does. */
  readonly end: number;
  /** Where these bytes of it lie until others are asked for. They may be changed there. */
  placeOf(offset: number, length: number): number;
};

/** So much is read at once: it is still near the processor when it is worked on. */
const READ_BYTES = 1024 * 1024;

/**
 * Puts a part of a pack on the desk: whole, where its bytes have come already; else piece by piece, as its
 * blobs are opened, of which none is longer than `longest`. NOT_FOUND; CORRUPT when it is shorter than
 * it should be.
 */
export function layPart(part: PackBytes, longest: number, packId: string, desk: Desk): LaidPart {
  const at = desk.plainFrom;
  const { length } = part;
  if (part instanceof Uint8Array) {
    desk.memory.reserve(at + length);
    desk.memory.view(at, length).set(part);
    const placeOf = (offset: number): number => at + offset;
    return { length, end: at + length, placeOf, [Symbol.dispose]: () => {} };
  }
  const what = `pack ${packId.slice(0, 8)}`;
  const descriptor = openPack(part.file, what);
  const tooShort = (): AppError =>
    new AppError("CORRUPT", `read ${what}: it is too short`, { hint: HINT_CHECK });
  if (fstatSync(descriptor).size < part.offset + length) {
    closeSync(descriptor);
    throw tooShort();
  }
  const room = Math.min(length, Math.max(READ_BYTES, longest));
  let from = 0;
  let to = 0;
  return {
    length,
    end: at + room,
    placeOf(offset, wanted) {
      if (offset < from || offset + wanted > to) {
        to = 0;
        const size = Math.min(length - offset, Math.max(READ_BYTES, wanted));
        desk.memory.reserve(at + size);
        const target = desk.memory.view(at, size);
        if (!readInto(target, descriptor, part.offset + offset, what)) throw tooShort();
        from = offset;
        to = offset + size;
      }
      return at + offset - from;
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/** The most that has to lie on the desk for one of these blobs. */
export function longestOf(blobs: readonly StoredBlob[]): number {
  return blobs.reduce((most, { length }) => Math.max(most, length), 0);
}

/** False when the file ends before. CORRUPT where the disk cannot read it. */
function readInto(target: Uint8Array, descriptor: number, offset: number, what: string): boolean {
  try {
    for (let done = 0; done < target.length;) {
      const got = readSync(descriptor, target, done, target.length - done, offset + done);
      if (got === 0) return false;
      done += got;
    }
    return true;
  } catch (error) {
    throw translateReadError(error, `read ${what}`);
  }
}

function openPack(file: string, what: string): number {
  try {
    return openSync(file, "r");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw new AppError("NOT_FOUND", `read ${what}: it is missing`, { hint: HINT_CHECK });
  }
}

/**
 * The plain bytes of a blob of the part, proven by its id. They lie at `plainAt`, behind the part; unless
 * it is given, wherever that costs least, until the next is opened. A blob can be opened once. CORRUPT.
 */
export function openBlob(
  part: LaidPart,
  blob: StoredBlob,
  packId: string,
  desk: Desk,
  plainAt?: number,
): Uint8Array {
  const { id, offset, length } = blob;
  const damaged = (problem: string): AppError => {
    const what = `blob ${id.slice(0, 8)} of pack ${packId.slice(0, 8)}`;
    return new AppError("CORRUPT", `read ${what}: ${problem}`, { hint: HINT_CHECK });
  };
  if (blob.uncompressedLength > BLOB_BYTES_MAX) throw damaged("it claims to be too large");
  if (offset + length > part.length) throw damaged("the pack is too short");
  const sealedAt = part.placeOf(offset, length);
  const payloadAt = sealedAt + IV_BYTES;
  const payloadLength = length - SEAL_BYTES;
  const isCompressed = blob.uncompressedLength > 0;
  const openedAt = isCompressed ? payloadAt : (plainAt ?? payloadAt);
  if (payloadLength >= 0) desk.memory.reserve(openedAt + payloadLength);
  if (!desk.sealer.open(sealedAt, length, openedAt)) throw damaged("its seal is broken");
  const payload = desk.memory.view(openedAt, payloadLength);
  const plain = isCompressed
    ? decompressed(payload, blob.uncompressedLength, plainAt ?? part.end, desk)
    : payload;
  if (plain === undefined) throw damaged("it does not decompress");
  if (blobId(plain).toString("hex") !== id) throw damaged("its content does not match its id");
  return plain;
}

function decompressed(
  { byteOffset, length }: Uint8Array,
  plainLength: number,
  at: number,
  { memory, zstd }: Desk,
): Uint8Array | undefined {
  memory.reserve(at + plainLength);
  const target = memory.view(at, plainLength);
  // To make room may have moved the memory.
  const frame = memory.view(byteOffset, length);
  return zstd.decompress(frame, target) === plainLength ? target : undefined;
}
