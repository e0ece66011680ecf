import type { BlobType, PackEntry } from "../format/pack-header.ts";

/** Where a blob lies. */
export type BlobPlace = Omit<PackEntry, "id"> & { readonly packId: string };

/**
 * All blobs of a repository, in typed arrays: some 55 bytes a blob, where an object for each would
 * take 400. A hash table of positions; ids are hashes already, so their first bytes are the hash.
 */
export type BlobIndex = {
  readonly size: number;
  /** Adds a blob, or tells where a claimed one has come to lie. A known one stays as it is. */
  add(packId: string, entry: PackEntry): void;
  find(id: string, type: BlobType): BlobPlace | undefined;
  has(id: string, type: BlobType): boolean;
  /** Where the last known blob of a pack ends. */
  packEnd(packId: string): number;
  /** True for the first who asks for a blob that is not there; that one has to store it. */
  claim(ids: Uint8Array, at: number, type: BlobType): boolean;
  /** Marks a blob as needed: "first" the first time, "again" afterwards, "missing" if unknown. */
  mark(id: string, type: BlobType): "first" | "again" | "missing";
  /** Every blob with its place, in the order of adding; not those that are only claimed. */
  entries(): Generator<IndexEntry, void, undefined>;
};

export type IndexEntry = {
  readonly packId: string;
  readonly entry: PackEntry;
  readonly marked: boolean;
};

const ID_BYTES = 32;
const CLAIMED = 0xffffffff;

export function createBlobIndex(): BlobIndex {
  let capacity = 1024;
  let size = 0;
  let ids = new Uint8Array(capacity * ID_BYTES);

  let packs = new Uint32Array(capacity);
  let offsets = new Uint32Array(capacity);
  let lengths = new Uint32Array(capacity);
  let plainLengths = new Uint32Array(capacity);
  let types = new Uint8Array(capacity);
  let marks = new Uint8Array(capacity);
  let slots = new Uint32Array(capacity * 2);
  const packIds: string[] = [];
  const packEnds: number[] = [];
  const packNumbers = new Map<string, number>();
  const scratch = new Uint8Array(ID_BYTES);

  const numberOf = (packId: string): number => {
    let number = packNumbers.get(packId);
    if (number === undefined) {
      number = packIds.push(packId) - 1;
      packNumbers.set(packId, number);
    }
    return number;
  };

  const matches = (position: number, id: Uint8Array, at: number, type: number): boolean => {
    if (types[position] !== type) return false;
    const from = position * ID_BYTES;
    for (let i = 0; i < ID_BYTES; i++) if (ids[from + i] !== id[at + i]) return false;
    return true;
  };

  /** The slot in which the blob stands or would stand. */
  const slotOf = (id: Uint8Array, at: number, type: number): number => {
    const mask = slots.length - 1;
    let slot = (id[at]! | (id[at + 1]! << 8) | (id[at + 2]! << 16) | (id[at + 3]! << 24)) & mask;
    while (slots[slot] !== 0 && !matches(slots[slot]! - 1, id, at, type)) slot = (slot + 1) & mask;
    return slot;
  };

  const grow = (): void => {
    capacity *= 2;
    ids = grown(ids, capacity * ID_BYTES);
    packs = grown(packs, capacity);
    offsets = grown(offsets, capacity);
    lengths = grown(lengths, capacity);
    plainLengths = grown(plainLengths, capacity);
    types = grown(types, capacity);
    marks = grown(marks, capacity);
    slots = new Uint32Array(capacity * 2);
    for (let position = 0; position < size; position++) {
      slots[slotOf(ids, position * ID_BYTES, types[position]!)] = position + 1;
    }
  };

  const insert = (id: Uint8Array, at: number, type: number): number => {
    if (size === capacity) grow();
    const position = size++;
    ids.set(id.subarray(at, at + ID_BYTES), position * ID_BYTES);
    types[position] = type;
    packs[position] = CLAIMED;
    slots[slotOf(ids, position * ID_BYTES, type)] = position + 1;
    return position;
  };

  const lookUp = (id: string, type: BlobType): number => {
    Buffer.from(scratch.buffer).write(id, "hex");
    return slots[slotOf(scratch, 0, numberOfType(type))]! - 1;
  };

  const entryAt = (position: number): PackEntry => ({
    id: Buffer.from(ids.buffer, position * ID_BYTES, ID_BYTES).toString("hex"),
    type: types[position] === 1 ? "tree" : "data",
    offset: offsets[position]!,
    length: lengths[position]!,
    uncompressedLength: plainLengths[position]!,
  });

  return {
    get size() {
      return size;
    },
    add(packId, entry) {
      let position = lookUp(entry.id, entry.type);
      if (position === -1) position = insert(scratch, 0, numberOfType(entry.type));
      else if (packs[position] !== CLAIMED) return;
      const number = numberOf(packId);
      packs[position] = number;
      packEnds[number] = Math.max(packEnds[number] ?? 0, entry.offset + entry.length);
      offsets[position] = entry.offset;
      lengths[position] = entry.length;
      plainLengths[position] = entry.uncompressedLength;
    },
    find(id, type) {
      const position = lookUp(id, type);
      if (position === -1 || packs[position] === CLAIMED) return undefined;
      const { id: _, ...place } = entryAt(position);
      return { ...place, packId: packIds[packs[position]!]! };
    },
    packEnd: (packId) => packEnds[packNumbers.get(packId) ?? -1] ?? 0,
    has: (id, type) => lookUp(id, type) !== -1,
    claim(all, at, type) {
      if (slots[slotOf(all, at, numberOfType(type))] !== 0) return false;
      insert(all, at, numberOfType(type));
      return true;
    },
    mark(id, type) {
      const position = lookUp(id, type);
      if (position === -1 || packs[position] === CLAIMED) return "missing";
      if (marks[position] === 1) return "again";
      marks[position] = 1;
      return "first";
    },
    *entries() {
      for (let position = 0; position < size; position++) {
        if (packs[position] === CLAIMED) continue;
        const packId = packIds[packs[position]!]!;
        yield { packId, entry: entryAt(position), marked: marks[position] === 1 };
      }
    },
  };
}

function numberOfType(type: BlobType): number {
  return type === "tree" ? 1 : 0;
}

function grown<T extends Uint8Array | Uint32Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array);
  return larger;
}
