import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { AppError } from "../../base/errors.ts";

/** No blob or index of a sound repository is longer; a bomb is. */
const PLAIN_BYTES_MAX = 4 * 1024 ** 3 - 1;

/** One zstd frame, as restic's decoder wants it: with its content size, without checksum. */
export function compress(plain: Uint8Array, level = 3): Buffer {
  return zstdCompressSync(plain, {
    // One allocation of the largest result: what is not written costs no memory.
    chunkSize: Math.max(64, plain.length + (plain.length >> 7) + 512),
    pledgedSrcSize: plain.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/** The plain bytes of a frame that should give `expectedBytes` (at most, where it is not known). */
export function decompress(frame: Uint8Array, expectedBytes?: number): Buffer {
  try {
    return zstdDecompressSync(frame, {
      ...(expectedBytes === undefined ? {} : { chunkSize: Math.max(64, expectedBytes) }),
      maxOutputLength: expectedBytes === undefined ? PLAIN_BYTES_MAX : Math.max(1, expectedBytes),
    });
  } catch (error) {
    throw new AppError("CORRUPT", "decompress: no sound zstd frame", { cause: error });
  }
}
