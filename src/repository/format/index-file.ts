import { AppError } from "../../base/errors.ts";
import type { PackEntry } from "./pack-header.ts";

/** One pack and all its blobs. A pack's blobs never stand in two entries. */
export type IndexedPack = { readonly id: string; readonly blobs: readonly PackEntry[] };

/** The JSON of an index file. */
export function encodeIndex(packs: readonly IndexedPack[]): string {
  const json = packs.map(({ id, blobs }) => ({
    id,
    blobs: blobs.map(({ id: blob, type, offset, length, uncompressedLength }) => {
      const known = { id: blob, type, offset, length };
      return uncompressedLength === 0
        ? known
        : { ...known, uncompressed_length: uncompressedLength };
    }),
  }));
  return `${JSON.stringify({ packs: json })}\n`;
}

type BlobJson = {
  id: unknown;
  type: unknown;
  offset: unknown;
  length: unknown;
  uncompressed_length?: unknown;
};

/** Reads an index file, whoever wrote it. CORRUPT when it is none. */
export function decodeIndex(json: unknown, what: string): IndexedPack[] {
  const { packs } = (json ?? {}) as { packs?: unknown };
  // Go writes an empty list as null.
  if (packs === null) return [];
  if (!Array.isArray(packs)) throw new AppError("CORRUPT", `read ${what}: it lists no packs`);
  return packs.map((pack: { id?: unknown; blobs?: unknown }) => {
    if (!isId(pack.id) || !Array.isArray(pack.blobs)) throw damaged(what);
    return { id: pack.id, blobs: (pack.blobs as BlobJson[]).map((blob) => toEntry(blob, what)) };
  });
}

function toEntry(blob: BlobJson, what: string): PackEntry {
  const { id, type, offset, length, uncompressed_length: uncompressedLength = 0 } = blob;
  const isRight =
    isId(id) &&
    (type === "data" || type === "tree") &&
    isLength(offset) &&
    isLength(length) &&
    isLength(uncompressedLength);
  if (!isRight) throw damaged(what);
  return { id, type, offset, length, uncompressedLength };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

/** Offsets and lengths are 32 bits wide in a pack. */
function isLength(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

function damaged(what: string): AppError {
  return new AppError("CORRUPT", `read ${what}: an entry is damaged`);
}
