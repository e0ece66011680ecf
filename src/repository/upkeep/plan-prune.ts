import { packBytes, type PackEntry } from "../format/pack-header.ts";
import type { BlobIndex } from "../index/blob-index.ts";

/** What is in a pack, and how much of it is still needed. */
export type PackUse = {
  readonly id: string;
  readonly used: readonly PackEntry[];
  readonly usedBytes: number;
  readonly unusedBytes: number;
  readonly sizeBytes: number;
  readonly isMixed: boolean;
  readonly hasUncompressedTrees: boolean;
};

export type PrunePlan = {
  /** Packs of which nothing is needed. */
  readonly remove: readonly PackUse[];
  /** Packs whose needed blobs are written anew. */
  readonly repack: readonly PackUse[];
  readonly keep: readonly PackUse[];
};

export type PruneOptions = {
  /** The share of the needed bytes that may stay unneeded, so that not all is written anew. */
  readonly unusedShareMax: number;
  readonly packBytesMin: number;
  readonly version: 1 | 2;
  /** Damaged packs: what is needed of one is written anew, or cannot be read and stays where it is. */
  readonly damaged: ReadonlyMap<string, "readable" | "lost">;
};

/** So many small packs have to be there before they are worth joining. */
const SMALL_PACKS_MIN = 10;

/** Decides what becomes of each pack, once the index is marked. restic's rules. */
export function planPrune(index: BlobIndex, options: PruneOptions): PrunePlan {
  const packs = usePerPack(index);
  const remove = packs.filter(({ usedBytes }) => usedBytes === 0);
  const needed = packs.filter(({ usedBytes }) => usedBytes > 0);
  const sound = needed.filter(({ id }) => options.damaged.get(id) !== "lost");
  const small = sound.filter((pack) => isSmall(pack, options));
  const joinsSmall = small.length >= SMALL_PACKS_MIN;
  const candidates = sound
    .filter(
      (pack) =>
        mustRepack(pack, options) || pack.unusedBytes > 0 || (joinsSmall && isSmall(pack, options)),
    )
    .toSorted((a, b) => rank(a, options) - rank(b, options) || share(b) - share(a));

  const usedBytes = needed.reduce((sum, pack) => sum + pack.usedBytes, 0);
  let unusedLeft = needed.reduce((sum, pack) => sum + pack.unusedBytes, 0);
  const repack = candidates.filter((pack) => {
    const isWanted =
      mustRepack(pack, options) ||
      (joinsSmall && isSmall(pack, options)) ||
      unusedLeft > usedBytes * options.unusedShareMax;
    if (isWanted) unusedLeft -= pack.unusedBytes;
    return isWanted;
  });
  const chosen = new Set(repack);
  return { remove, repack, keep: needed.filter((pack) => !chosen.has(pack)) };
}

function usePerPack(index: BlobIndex): PackUse[] {
  const blobs = new Map<string, { used: PackEntry[]; all: PackEntry[] }>();
  for (const { packId, entry, marked } of index.entries()) {
    const pack = blobs.get(packId) ?? { used: [], all: [] };
    blobs.set(packId, pack);
    pack.all.push(entry);
    if (marked) pack.used.push(entry);
  }
  return [...blobs].map(([id, { used, all }]) => {
    const usedBytes = used.reduce((sum, { length }) => sum + length, 0);
    const bytes = all.reduce((sum, { length }) => sum + length, 0);
    return {
      id,
      used,
      usedBytes,
      unusedBytes: bytes - usedBytes,
      sizeBytes: packBytes(all),
      isMixed: new Set(all.map(({ type }) => type)).size > 1,
      hasUncompressedTrees: all.some((e) => e.type === "tree" && e.uncompressedLength === 0),
    };
  });
}

function mustRepack(pack: PackUse, { version, damaged }: PruneOptions): boolean {
  return pack.isMixed || (version === 2 && pack.hasUncompressedTrees) || damaged.has(pack.id);
}

function isSmall({ sizeBytes }: PackUse, { packBytesMin }: PruneOptions): boolean {
  return sizeBytes < packBytesMin;
}

function rank(pack: PackUse, options: PruneOptions): number {
  return mustRepack(pack, options) ? 0 : isSmall(pack, options) ? 1 : 2;
}

function share({ unusedBytes, sizeBytes }: PackUse): number {
  return unusedBytes / sizeBytes;
}
