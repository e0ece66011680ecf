import type { BlobType, PackEntry } from "../format/pack-header.ts";
import { createBlobTable, NO_PLACE } from "./blob-table.ts";

/** Where a blob lies. */
export type BlobPlace = Omit<PackEntry, "id"> & { readonly packId: string };

/** All blobs of a repository, and those that a run has claimed to store. */
export type BlobIndex = {
  readonly size: number;
  /** Adds a blob, or tells where a claimed one has come to lie; a known one has one copy more. */
  add(packId: string, entry: PackEntry): void;
  find(id: string, type: BlobType): BlobPlace | undefined;
  /** All places of a blob: two writers at once both store what is new to both. */
  findAll(id: string, type: BlobType): readonly BlobPlace[];
  has(id: string, type: BlobType): boolean;
  /** Of several copies this one was found to be sound: it is the one to keep. */
  prefer(id: string, type: BlobType, place: BlobPlace): void;
  /**
   * No copy of the tree is sound: it counts as not there, so that it is stored again, with all trees
   * that lie in the same packs: what has befallen one has mostly befallen its neighbours.
   */
  distrust(tree: string): void;
  /** The bytes of a known blob when it is opened. */
  plainLength(id: string, type: BlobType): number;
  /** Where the last known blob of a pack ends. */
  packEnd(packId: string): number;
  /** True for the first who asks for a blob that is not there; that one has to store it. */
  claim(ids: Uint8Array, at: number, type: BlobType): boolean;
  /** Marks a blob as needed: "first" the first time, "again" afterwards, "missing" if unknown. */
  mark(id: string, type: BlobType): "first" | "again" | "missing";
  /** The blobs of which there are several copies and that are needed. */
  duplicates(): readonly { readonly id: string; readonly type: BlobType }[];
  /** Every copy of every blob, in the order of adding; not those that are only claimed. */
  entries(): Generator<IndexEntry, void, undefined>;
};

export type IndexEntry = {
  readonly packId: string;
  readonly entry: PackEntry;
  /** Whether it is needed. Of several copies only the first is. */
  readonly marked: boolean;
};

export function createBlobIndex(): BlobIndex {
  const table = createBlobTable();
  const packIds: string[] = [];
  const packEnds: number[] = [];
  const packNumbers = new Map<string, number>();
  /** Second and further copies, by position. Rare, so that objects do no harm. */
  const copies = new Map<number, BlobPlace[]>();

  const numberOf = (packId: string): number => {
    let number = packNumbers.get(packId);
    if (number === undefined) {
      number = packIds.push(packId) - 1;
      packNumbers.set(packId, number);
    }
    return number;
  };

  const placeAt = (position: number): BlobPlace => {
    const { id: _, ...place } = table.entry(position);
    return { ...place, packId: packIds[table.pack(position)]! };
  };

  const hasPlace = (position: number): boolean =>
    position !== -1 && table.pack(position) !== NO_PLACE;

  const placesOf = (position: number): BlobPlace[] => [
    placeAt(position),
    ...(copies.get(position) ?? []),
  ];

  const addCopy = (position: number, packId: string, entry: PackEntry): void => {
    const known = placesOf(position);
    // The same pack may stand in two index files.
    if (known.some((place) => place.packId === packId && place.offset === entry.offset)) return;
    const { id: _, ...place } = entry;
    copies.set(position, [...known.slice(1), { ...place, packId }]);
  };

  return {
    get size() {
      return table.size;
    },
    add(packId, entry) {
      const number = numberOf(packId);
      packEnds[number] = Math.max(packEnds[number] ?? 0, entry.offset + entry.length);
      const position = table.find(entry.id, entry.type);
      if (hasPlace(position)) addCopy(position, packId, entry);
      else if (position !== -1) table.place(position, number, entry);
      else table.place(table.insert(entry.id, entry.type), number, entry);
    },
    find(id, type) {
      const position = table.find(id, type);
      return hasPlace(position) ? placeAt(position) : undefined;
    },
    findAll(id, type) {
      const position = table.find(id, type);
      return hasPlace(position) ? placesOf(position) : [];
    },
    has: (id, type) => table.find(id, type) !== -1,
    prefer(id, type, place) {
      const position = table.find(id, type);
      const others = placesOf(position).filter(
        ({ packId, offset }) => packId !== place.packId || offset !== place.offset,
      );
      table.place(position, numberOf(place.packId), { ...place, id });
      copies.set(position, others);
    },
    distrust(tree) {
      const found = table.find(tree, "tree");
      if (!hasPlace(found)) return;
      const packs = new Set(placesOf(found).map(({ packId }) => packNumbers.get(packId)));
      for (let position = 0; position < table.size; position++) {
        if (!table.isTree(position) || !packs.has(table.pack(position))) continue;
        table.forget(position);
        copies.delete(position);
      }
    },
    plainLength: (id, type) => table.plainLength(table.find(id, type)),
    packEnd: (packId) => packEnds[packNumbers.get(packId) ?? -1] ?? 0,
    claim(ids, at, type) {
      if (table.findBytes(ids, at, type) !== -1) return false;
      table.insertBytes(ids, at, type);
      return true;
    },
    mark(id, type) {
      const position = table.find(id, type);
      if (!hasPlace(position)) return "missing";
      return table.mark(position) ? "first" : "again";
    },
    duplicates: () =>
      [...copies.keys()]
        .filter((position) => table.isMarked(position))
        .map((position) => table.entry(position)),
    *entries() {
      for (let position = 0; position < table.size; position++) {
        if (!hasPlace(position)) continue;
        const entry = table.entry(position);
        const packId = packIds[table.pack(position)]!;
        yield { packId, entry, marked: table.isMarked(position) };
        for (const { packId: other, ...place } of copies.get(position) ?? []) {
          yield { packId: other, entry: { ...place, id: entry.id }, marked: false };
        }
      }
    },
  };
}
