import { closeSync, openSync, readSync } from "node:fs";
import { AppError, systemCode } from "../../base/errors.ts";
import { IV_BYTES, SEAL_BYTES } from "../crypto/sealer.ts";
import { HINT_CHECK } from "../files.ts";
import type { Desk } from "./desk.ts";
import type { PackBytes, StoredBlob } from "./jobs.ts";
import { blobId } from "./pack-writer.ts";

/** What claims to be larger is a bomb: chunks have 8 MiB, and a tree of a million files 500 MiB. */
const BLOB_BYTES_MAX = 1024 ** 3;

/** A part of a pack that lies on the desk. */
export type LaidPart = { readonly at: number; readonly length: number };

/** Puts a part of a pack on the desk. NOT_FOUND; CORRUPT when it is shorter than it should be. */
export function layPart(part: PackBytes, packId: string, desk: Desk): LaidPart {
  const at = desk.plainFrom;
  const { length } = part;
  desk.memory.reserve(at + length);
  const target = desk.memory.view(at, length);
  if (part instanceof Uint8Array) target.set(part);
  else readInto(target, part.file, part.offset, `pack ${packId.slice(0, 8)}`);
  return { at, length };
}

function readInto(target: Uint8Array, file: string, offset: number, what: string): void {
  const descriptor = openPack(file, what);
  try {
    for (let done = 0; done < target.length;) {
      const got = readSync(descriptor, target, done, target.length - done, offset + done);
      if (got === 0) {
        throw new AppError("CORRUPT", `read ${what}: it is too short`, { hint: HINT_CHECK });
      }
      done += got;
    }
  } finally {
    closeSync(descriptor);
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
  const sealedAt = part.at + offset;
  const payloadAt = sealedAt + IV_BYTES;
  const payloadLength = length - SEAL_BYTES;
  const isCompressed = blob.uncompressedLength > 0;
  const openedAt = isCompressed ? payloadAt : (plainAt ?? payloadAt);
  if (payloadLength >= 0) desk.memory.reserve(openedAt + payloadLength);
  if (!desk.sealer.open(sealedAt, length, openedAt)) throw damaged("its seal is broken");
  const payload = desk.memory.view(openedAt, payloadLength);
  const plain = isCompressed
    ? decompressed(payload, blob.uncompressedLength, plainAt ?? part.at + part.length, desk)
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
