import { AppError } from "../../base/errors.ts";
import { SEAL_BYTES } from "../crypto/sealer.ts";
import { HINT_CHECK } from "../files.ts";
import type { Desk } from "./desk.ts";
import type { StoredBlob } from "./jobs.ts";
import { blobId } from "./pack-writer.ts";

/**
 * The plain bytes of a blob out of a part of its pack, proven by its id. They are valid until the
 * next blob is opened. CORRUPT.
 */
export function openBlob(
  part: Uint8Array,
  blob: StoredBlob,
  packId: string,
  desk: Desk,
): Uint8Array {
  const { id, offset, length } = blob;
  const damaged = (problem: string): AppError => {
    const what = `blob ${id.slice(0, 8)} of pack ${packId.slice(0, 8)}`;
    return new AppError("CORRUPT", `read ${what}: ${problem}`, { hint: HINT_CHECK });
  };
  const at = desk.plainFrom;
  desk.memory.reserve(at + length);
  desk.memory.view(at, length).set(part.subarray(offset, offset + length));
  if (!desk.sealer.open(at, length)) throw damaged("its seal is broken");
  const plain = decompressed(at + 16, blob, desk);
  if (plain === undefined) throw damaged("it does not decompress");
  if (blobId(plain).toString("hex") !== id) throw damaged("its content does not match its id");
  return plain;
}

function decompressed(at: number, blob: StoredBlob, desk: Desk): Uint8Array | undefined {
  const { length, uncompressedLength } = blob;
  if (uncompressedLength === 0) return desk.memory.view(at, length - SEAL_BYTES);
  desk.memory.reserve(at + length + uncompressedLength);
  const target = desk.memory.view(at + length, uncompressedLength);
  const frame = desk.memory.view(at, length - SEAL_BYTES);
  return desk.zstd.decompress(frame, target) === uncompressedLength ? target : undefined;
}
