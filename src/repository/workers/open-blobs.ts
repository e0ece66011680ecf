import { AppError } from "../../base/errors.ts";
import { decompress } from "../crypto/compress.ts";
import { SEAL_BYTES } from "../crypto/sealer.ts";
import { HINT_CHECK } from "../files.ts";
import type { Desk } from "./desk.ts";
import type { StoredBlob } from "./jobs.ts";
import { blobId } from "./pack-writer.ts";

/**
 * The plain bytes of a blob out of a part of its pack, proven by its id. They are valid until the
 * next blob is opened. CORRUPT.
 */
export function openBlob(part: Uint8Array, blob: StoredBlob, packId: string, desk: Desk): Uint8Array {
  const { id, offset, length, uncompressedLength } = blob;
  const damaged = (problem: string, cause?: unknown): AppError => {
    const what = `blob ${id.slice(0, 8)} of pack ${packId.slice(0, 8)}`;
    return new AppError("CORRUPT", `read ${what}: ${problem}`, { cause, hint: HINT_CHECK });
  };
  const at = desk.plainFrom;
  desk.memory.reserve(at + length);
  desk.memory.view(at, length).set(part.subarray(offset, offset + length));
  if (!desk.sealer.open(at, length)) throw damaged("its seal is broken");
  const payload = desk.memory.view(at + 16, length - SEAL_BYTES);
  const plain = uncompressedLength === 0 ? payload : decompressed(payload, blob, damaged);
  if (blobId(plain).toString("hex") !== id) throw damaged("its content does not match its id");
  return plain;
}

function decompressed(
  payload: Uint8Array,
  { uncompressedLength }: StoredBlob,
  damaged: (problem: string, cause: unknown) => AppError,
): Uint8Array {
  try {
    return decompress(payload, uncompressedLength);
  } catch (error) {
    throw damaged("it does not decompress", error);
  }
}
