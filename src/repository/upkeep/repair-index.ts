import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Key } from "../../backends/backend.ts";
import type { Core } from "../core.ts";
import { createStrongbox } from "../crypto/strongbox.ts";
import { packIdOf } from "../files.ts";
import { decodeIndex, encodeIndex, type IndexedPack } from "../format/index-file.ts";
import {
  decodeHeader,
  HEADER_BYTES_MAX,
  packBytes,
  type PackEntry,
} from "../format/pack-header.ts";

export type IndexRepair = { readonly packs: number; readonly unreadable: readonly string[] };

/** The last bytes of a pack that mostly hold all of its header. */
const TAIL_BYTES = 64 * 1024;
const BLOBS_PER_INDEX = 50_000;

/**
 * Makes the index anew from the headers of all packs. Where a header is damaged, what the old index
 * says of the pack stays, as far as the blobs can be opened. Needs the repository for itself.
 */
export async function repairIndex(core: Core, run: Run): Promise<IndexRepair> {
  const old = await core.files.ids("index", run);
  const listed = await listedBlobs(core, old, run);
  const unreadable: string[] = [];
  let packs: IndexedPack[] = [];
  let count = 0;
  let blobsWaiting = 0;
  const save = async (): Promise<void> => {
    if (packs.length > 0) await core.files.save("index", encodeIndex(packs), run);
    packs = [];
    blobsWaiting = 0;
  };
  for await (const { key, sizeBytes } of core.backend.list("data/", run)) {
    const id = packIdOf(key);
    if (id === undefined) continue;
    let blobs = await readHeader(core, key, sizeBytes, run);
    if (blobs === undefined) {
      unreadable.push(id);
      blobs = await openableBlobs(core, key, listed.get(id) ?? [], run);
      if (blobs.length === 0) continue;
    }
    count++;
    packs.push({ id, blobs });
    blobsWaiting += blobs.length;
    if (blobsWaiting >= BLOBS_PER_INDEX) await save();
  }
  await save();
  for (const id of old) await core.files.remove("index", id, run);
  return { packs: count, unreadable };
}

/** What the index files that can be read say of each pack. */
async function listedBlobs(
  core: Core,
  ids: readonly string[],
  run: Run,
): Promise<Map<string, readonly PackEntry[]>> {
  const listed = new Map<string, readonly PackEntry[]>();
  for (const id of ids) {
    try {
      const json = await core.files.load("index", id, run);
      for (const pack of decodeIndex(json, `index ${id}`)) listed.set(pack.id, pack.blobs);
    } catch (error) {
      if (!hasCode(error, "CORRUPT")) throw error;
    }
  }
  return listed;
}

async function openableBlobs(
  core: Core,
  key: Key,
  blobs: readonly PackEntry[],
  run: Run,
): Promise<PackEntry[]> {
  const box = createStrongbox(core.key);
  const openable: PackEntry[] = [];
  for (const blob of blobs) {
    const range = { offsetBytes: blob.offset, lengthBytes: blob.length };
    try {
      if (box.open(await core.backend.get(key, range, run)) !== undefined) openable.push(blob);
    } catch (error) {
      if (!hasCode(error, "CORRUPT")) throw error;
    }
  }
  return openable;
}

/** The blobs of a pack; undefined when its header is damaged or its size is wrong. */
async function readHeader(
  core: Core,
  key: Key,
  sizeBytes: number,
  run: Run,
): Promise<PackEntry[] | undefined> {
  const readTail = async (wanted: number): Promise<Buffer> => {
    const lengthBytes = Math.min(wanted, sizeBytes);
    const range = { offsetBytes: sizeBytes - lengthBytes, lengthBytes };
    return Buffer.from(await core.backend.get(key, range, run));
  };
  let tail = await readTail(TAIL_BYTES);
  if (tail.length < 4) return undefined;
  const sealedBytes = tail.readUInt32LE(tail.length - 4);
  if (sealedBytes > HEADER_BYTES_MAX || sealedBytes + 4 > sizeBytes) return undefined;
  if (sealedBytes + 4 > tail.length) tail = await readTail(sealedBytes + 4);
  const sealed = tail.subarray(tail.length - 4 - sealedBytes, tail.length - 4);
  const header = createStrongbox(core.key).open(sealed);
  if (header === undefined) return undefined;
  try {
    const blobs = decodeHeader(header, `pack ${key}`);
    return packBytes(blobs) === sizeBytes ? blobs : undefined;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
