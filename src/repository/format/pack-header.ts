import { AppError } from "../../base/errors.ts";

/** What a pack holds: pieces of files, or trees. Never both in one pack. */
export type BlobType = "data" | "tree";

/** One blob as a pack's header and the index list it. */
export type PackEntry = {
  readonly id: string;
  readonly type: BlobType;
  readonly offset: number;
  /** Bytes in the pack, with the 32 of the seal. */
  readonly length: number;
  /** Bytes before compression; 0 when it is stored as it is. */
  readonly uncompressedLength: number;
};

const PLAIN_ENTRY_BYTES = 37;
const COMPRESSED_ENTRY_BYTES = 41;
const SEAL_BYTES = 32;
const LENGTH_BYTES = 4;
/** restic reads no longer header than this. */
export const HEADER_BYTES_MAX = 16 * 1024 * 1024;

function entryBytes(entry: { uncompressedLength: number }): number {
  return entry.uncompressedLength === 0 ? PLAIN_ENTRY_BYTES : COMPRESSED_ENTRY_BYTES;
}

/** The bytes of a blob when it is opened. */
export function plainBytesOf({
  length,
  uncompressedLength,
}: Pick<PackEntry, "length" | "uncompressedLength">): number {
  return uncompressedLength || length - SEAL_BYTES;
}

/** The exact size of a pack that holds just these blobs: no gaps, no padding. */
export function packBytes(entries: Iterable<PackEntry>): number {
  let sum = SEAL_BYTES + LENGTH_BYTES;
  for (const entry of entries) sum += entry.length + entryBytes(entry);
  return sum;
}

/** The plain header, to be sealed and followed by the length of the seal. */
export function encodeHeader(entries: readonly PackEntry[]): Buffer {
  const header = Buffer.alloc(entries.reduce((sum, entry) => sum + entryBytes(entry), 0));
  let at = 0;
  for (const { id, type, length, uncompressedLength } of entries) {
    const isCompressed = uncompressedLength !== 0;
    at = header.writeUInt8((type === "tree" ? 1 : 0) + (isCompressed ? 2 : 0), at);
    at = header.writeUInt32LE(length, at);
    if (isCompressed) at = header.writeUInt32LE(uncompressedLength, at);
    at += header.write(id, at, "hex");
  }
  return header;
}

/** The entries of a plain header. CORRUPT when it is none. */
export function decodeHeader(header: Buffer, what: string): PackEntry[] {
  const entries: PackEntry[] = [];
  let offset = 0;
  for (let at = 0; at < header.length;) {
    const kind = header[at]!;
    const isCompressed = kind >= 2;
    const size = isCompressed ? COMPRESSED_ENTRY_BYTES : PLAIN_ENTRY_BYTES;
    if (kind > 3 || at + size > header.length) {
      throw new AppError("CORRUPT", `read ${what}: its header is damaged`);
    }
    const length = header.readUInt32LE(at + 1);
    const uncompressedLength = isCompressed ? header.readUInt32LE(at + 5) : 0;
    const id = header.toString("hex", at + size - 32, at + size);
    entries.push({
      id,
      type: kind % 2 === 1 ? "tree" : "data",
      offset,
      length,
      uncompressedLength,
    });
    offset += length;
    at += size;
  }
  return entries;
}
