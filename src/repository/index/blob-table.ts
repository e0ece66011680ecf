import { type BlobType, type PackEntry, plainBytesOf } from "../format/pack-header.ts";

/**
 * The blobs of a repository in typed arrays: some 55 bytes a blob, where an object for each would
 * take 400. A hash table of positions; ids are hashes already, so their first bytes are the hash.
 */
export type BlobTable = {
  readonly size: number;
  /** The position of a blob; -1 when it is not there. Ids in hex, or in bytes from `at` on. */
  find(id: string, type: BlobType): number;
  findBytes(ids: Uint8Array, at: number, type: BlobType): number;
  /** Adds a blob that is not there, as yet without a place, and returns its position. */
  insert(id: string, type: BlobType): number;
  insertBytes(ids: Uint8Array, at: number, type: BlobType): number;
  /** From now on the blob is not there. */
  forget(position: number): void;
  /** Says in which pack, by its number, and where in it the blob lies. */
  place(position: number, pack: number, entry: PackEntry): void;
  /** The number of the pack; NO_PLACE for a blob that has no place yet. */
  pack(position: number): number;
  entry(position: number): PackEntry;
  /** The blob's bytes when it is opened. */
  plainLength(position: number): number;
  /** False when it was marked already. */
  mark(position: number): boolean;
  isMarked(position: number): boolean;
  /** Whether it is a tree; false for one that was forgotten, too. */
  isTree(position: number): boolean;
};

export const NO_PLACE = 0xffffffff;

const NO_TYPE = 0xff;
const ID_BYTES = 32;

/** One row a blob; all columns grow together. */
type Columns = {
  ids: Uint8Array;
  packs: Uint32Array;
  offsets: Uint32Array;
  lengths: Uint32Array;
  plainLengths: Uint32Array;
  types: Uint8Array;
  marks: Uint8Array;
};

export function createBlobTable(): BlobTable {
  let capacity = 1024;
  let size = 0;
  let columns = newColumns(capacity);
  let slots = new Uint32Array(capacity * 2);
  const scratch = new Uint8Array(ID_BYTES);

  const matches = (position: number, id: Uint8Array, at: number, type: number): boolean => {
    const { types, ids } = columns;
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
    columns = grownColumns(columns, capacity);
    slots = new Uint32Array(capacity * 2);
    const { ids, types } = columns;
    for (let position = 0; position < size; position++) {
      slots[slotOf(ids, position * ID_BYTES, types[position]!)] = position + 1;
    }
  };

  const findBytes: BlobTable["findBytes"] = (ids, at, type) =>
    slots[slotOf(ids, at, numberOfType(type))]! - 1;

  const insertBytes: BlobTable["insertBytes"] = (ids, at, type) => {
    if (size === capacity) grow();
    const position = size++;
    columns.ids.set(ids.subarray(at, at + ID_BYTES), position * ID_BYTES);
    columns.types[position] = numberOfType(type);
    columns.packs[position] = NO_PLACE;
    slots[slotOf(columns.ids, position * ID_BYTES, numberOfType(type))] = position + 1;
    return position;
  };

  const toScratch = (id: string): Uint8Array => {
    Buffer.from(scratch.buffer).write(id, "hex");
    return scratch;
  };

  return {
    get size() {
      return size;
    },
    find: (id, type) => findBytes(toScratch(id), 0, type),
    findBytes,
    insert: (id, type) => insertBytes(toScratch(id), 0, type),
    insertBytes,
    forget(position) {
      // The row stays, since others are found by way of its slot, but matches nothing.
      columns.types[position] = NO_TYPE;
      columns.packs[position] = NO_PLACE;
    },
    place(position, pack, entry) {
      columns.packs[position] = pack;
      columns.offsets[position] = entry.offset;
      columns.lengths[position] = entry.length;
      columns.plainLengths[position] = entry.uncompressedLength;
    },
    pack: (position) => columns.packs[position]!,
    entry: (position) => entryOf(columns, position),
    plainLength: (position) =>
      plainBytesOf({
        length: columns.lengths[position]!,
        uncompressedLength: columns.plainLengths[position]!,
      }),
    mark(position) {
      if (columns.marks[position] === 1) return false;
      columns.marks[position] = 1;
      return true;
    },
    isTree: (position) => columns.types[position] === numberOfType("tree"),
    isMarked: (position) => columns.marks[position] === 1,
  };
}

function newColumns(capacity: number): Columns {
  return {
    ids: new Uint8Array(capacity * ID_BYTES),
    packs: new Uint32Array(capacity),
    offsets: new Uint32Array(capacity),
    lengths: new Uint32Array(capacity),
    plainLengths: new Uint32Array(capacity),
    types: new Uint8Array(capacity),
    marks: new Uint8Array(capacity),
  };
}

function grownColumns(old: Columns, capacity: number): Columns {
  const columns = newColumns(capacity);
  for (const name of Object.keys(columns) as (keyof Columns)[]) columns[name].set(old[name]);
  return columns;
}

function entryOf({ ids, types, offsets, lengths, plainLengths }: Columns, at: number): PackEntry {
  return {
    id: Buffer.from(ids.buffer, at * ID_BYTES, ID_BYTES).toString("hex"),
    type: types[at] === 1 ? "tree" : "data",
    offset: offsets[at]!,
    length: lengths[at]!,
    uncompressedLength: plainLengths[at]!,
  };
}

function numberOfType(type: BlobType): number {
  return type === "tree" ? 1 : 0;
}
