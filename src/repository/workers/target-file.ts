import { closeSync, constants, openSync, type PathLike, statfsSync, write } from "node:fs";
import { promisify } from "node:util";
import { systemCode } from "../../base/errors.ts";
import { writeAll } from "./write-all.ts";

const { O_CREAT, O_DIRECT, O_NOFOLLOW, O_WRONLY } = constants;
/** Makes it where it is not yet, and never writes through a link. */
export const CREATE = O_WRONLY | O_CREAT | O_NOFOLLOW;
/** Nobody but the owner sees a file before it has its own mode. */
export const MODE_AT_FIRST = 0o600;

/** A file that is being restored. */
export type TargetFile = Disposable & {
  /** Writes all but the edges that it returns. The bytes have to stay as they are until then. */
  write(bytes: Uint8Array, position: number): Promise<readonly Edge[]>;
};

/**
 * Where what went past the cache begins or ends within a block: a copy of the bytes of it. Whoever wrote
 * it writes these when nothing goes to the file past the cache any more: the kernel has them wait for
 * all that is on its way, a millisecond each time, and the thread with them.
 */
export type Edge = { readonly position: number; readonly bytes: Uint8Array };

const writeSoon = promisify(write);

/**
 * What goes to the disk past the kernel's page cache lies in memory as it does in the file: at the same
 * place of a block of this size. The memory of WebAssembly begins with one, what else Node allocates
 * does not.
 */
export const BLOCK_BYTES = 4096;

/** Less than this is in the cache before the disk has answered. */
const PAST_CACHE_BYTES_MIN = 256 * 1024;

/** ext2 to ext4, XFS and btrfs, by their numbers in statfs(2). Others may not mean it by the flag. */
const FILE_SYSTEMS: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e]);

/**
 * What the way through the cache may get over: disks with larger blocks and files of a kind that cannot,
 * too many open files, and room that XFS keeps for files to grow and gives back to the cache only.
 */
const FOR_THE_CACHE: ReadonlySet<string> = new Set([
  "EINVAL",
  "EMFILE",
  "ENFILE",
  "ENOSPC",
  "EDQUOT",
]);

/**
 * Opens or makes it. `pastCache`: what is large goes to the disk at once, where that can be had. The
 * restored files then drive nothing out of the cache that a running service needs, they need not be
 * brought to the disk afterwards, and no new pages have to be found for them, which in a virtual
 * machine costs more than all else. Throws what the system says.
 */
export function openTarget(path: PathLike, pastCache: boolean): TargetFile {
  const cached = openSync(path, CREATE, MODE_AT_FIRST);
  let past: number | "not yet" | "not here" = pastCache ? "not yet" : "not here";

  /** Writes whole blocks, and says how much of them. */
  const writePast = async (blocks: Uint8Array, position: number): Promise<number> => {
    if (past === "not yet") past = openPast(path);
    if (past === "not here") return 0;
    try {
      return (await writeSoon(past, blocks, 0, blocks.length, position)).bytesWritten;
    } catch (error) {
      if (!FOR_THE_CACHE.has(systemCode(error) ?? "")) throw error;
      closeSync(past);
      past = "not here";
      return 0;
    }
  };

  return {
    async write(bytes, position) {
      const [from, to] = wholeBlocks(bytes, position);
      const isLarge = to - from >= PAST_CACHE_BYTES_MIN;
      const end = from + (isLarge ? await writePast(bytes.subarray(from, to), position + from) : 0);
      if (isLarge && end === to) return edgesOf(bytes, position, from, to);
      writeAll(cached, bytes.subarray(0, from), position);
      writeAll(cached, bytes.subarray(end), position + end);
      return [];
    },
    [Symbol.dispose]() {
      closeSync(cached);
      if (typeof past === "number") closeSync(past);
    },
  };
}

/** Which of the bytes are whole blocks, in memory and in the file alike; none when they differ. */
function wholeBlocks(bytes: Uint8Array, position: number): readonly [from: number, to: number] {
  const skew = position % BLOCK_BYTES;
  if (bytes.byteOffset % BLOCK_BYTES !== skew) return [0, 0];
  const from = (BLOCK_BYTES - skew) % BLOCK_BYTES;
  const to = Math.floor((position + bytes.length) / BLOCK_BYTES) * BLOCK_BYTES - position;
  return [from, to];
}

/** What is before and behind the whole blocks. */
function edgesOf(bytes: Uint8Array, position: number, from: number, to: number): Edge[] {
  const edges = [
    { position, bytes: bytes.slice(0, from) },
    { position: position + to, bytes: bytes.slice(to) },
  ];
  return edges.filter((edge) => edge.bytes.length > 0);
}

function openPast(path: PathLike): number | "not here" {
  // Not every system has the flag.
  if (O_DIRECT === undefined || !FILE_SYSTEMS.has(statfsSync(path).type)) return "not here";
  try {
    return openSync(path, O_WRONLY | O_NOFOLLOW | O_DIRECT);
  } catch (error) {
    if (!FOR_THE_CACHE.has(systemCode(error) ?? "")) throw error;
    return "not here";
  }
}
