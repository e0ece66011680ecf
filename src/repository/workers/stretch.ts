import type { HotMemory } from "../crypto/hot.ts";
import type { ByteString } from "../format/go-string.ts";
import { BLOCK_BYTES } from "./target-file.ts";

const STRETCH_BYTES_MAX = 4 * 1024 * 1024;

/** The files that are written to, by their names. One may be closed when another is opened. */
export type OpenFiles = {
  write(path: ByteString, bytes: Uint8Array, position: number): Promise<void>;
};

/** What follows upon each other in a file, gathered to be written at once. */
export type Stretch = {
  /** Where in memory what belongs at this place of a file is to lie. Writes what it does not join. */
  placeFor(path: ByteString, offset: number): Promise<number>;
  /** Takes over so many bytes, which lie there now. */
  add(length: number): void;
  /** Writes what was gathered. */
  flush(): Promise<void>;
};

/** Gathers in memory behind `from`. */
export function createStretch(memory: HotMemory, from: number, files: OpenFiles): Stretch {
  const base = Math.ceil(from / BLOCK_BYTES) * BLOCK_BYTES;
  let path: ByteString | undefined;
  let offset = 0;
  let length = 0;
  const at = (): number => base + (offset % BLOCK_BYTES);
  const write = async (bytes: number): Promise<void> => {
    if (path === undefined || bytes === 0) return;
    await files.write(path, memory.view(at(), bytes), offset);
  };
  const flush = async (): Promise<void> => {
    await write(length);
    length = 0;
  };
  /** What is left of a block waits for the rest of it. */
  const writeBlocks = async (): Promise<void> => {
    const end = offset + length;
    const left = end % BLOCK_BYTES;
    await write(length - left);
    memory.view(base, at() - base + length).copyWithin(0, at() - base + length - left);
    offset = end - left;
    length = left;
  };
  return {
    async placeFor(nextPath, nextOffset) {
      if (nextPath !== path || nextOffset !== offset + length) {
        await flush();
        path = nextPath;
        offset = nextOffset;
      } else if (length >= STRETCH_BYTES_MAX) {
        await writeBlocks();
      }
      return at() + length;
    },
    add: (more) => void (length += more),
    flush,
  };
}
