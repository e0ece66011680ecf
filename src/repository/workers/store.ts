import assert from "node:assert/strict";
import { readSync } from "node:fs";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CUT_MASK } from "../chunk-limits.ts";
import type { BlobType } from "../format/pack-header.ts";
import { WINDOW_BYTES } from "../format/polynomial.ts";
import type { ByteString } from "../format/go-string.ts";
import type { Desk } from "./desk.ts";
import { type Identity, isSameFile, isUntouched, openSource, type SourceFile } from "./identity.ts";
import type { Jobs, ReadFileResult } from "./jobs.ts";
import { blobId, type PackWriter } from "./pack-writer.ts";
import { ANOTHER_FILE, ofSource, sourceCode, sourceError } from "./source-errors.ts";

/** Asks the owner of the index which of these blobs are to be stored: 1 for each that is. */
export type Claim = (ids: Uint8Array, type: BlobType) => Promise<Uint8Array>;

export type StoreTools = {
  readonly desk: Desk;
  readonly packs: Readonly<Record<BlobType, PackWriter>>;
  readonly claim: Claim;
};

const ID_BYTES = 32;
const READ_BYTES = 256 * 1024;
/** After so much of a file the owner of the job hears of the cuts, to hand the chunks out. */
const SCAN_BYTES = 32 * 1024 * 1024;

type Plain = { readonly at: number; readonly length: number };

export function scan({ path, seen, from }: Jobs["scan"]["in"], desk: Desk): Jobs["scan"]["out"] {
  const lengths: number[] = [];
  const to = seen.sizeBytes;
  using file = openSame(path, seen);
  let start = from;
  while (start < to && start - from < SCAN_BYTES) {
    const length = nextChunk(file.descriptor, start, to, desk);
    lengths.push(length);
    start += length;
  }
  return { lengths };
}

/** The length of the chunk that starts here. Only what a cut can depend on is read. */
function nextChunk(descriptor: number, start: number, fileEnd: number, desk: Desk): number {
  const end = Math.min(fileEnd, start + CHUNK_BYTES_MAX);
  const base = desk.plainFrom;
  desk.memory.reserve(base + WINDOW_BYTES + READ_BYTES);
  for (let at = start + CHUNK_BYTES_MIN; at < end;) {
    const wanted = WINDOW_BYTES + Math.min(READ_BYTES, end - at);
    const window = desk.memory.view(base, wanted);
    const got = readUpTo(descriptor, window, at - WINDOW_BYTES);
    const last = base + got;
    const cut = desk.hot.findCut(base + WINDOW_BYTES, last + 1, CUT_MASK);
    if (cut !== 0) return at - start + (cut - base - WINDOW_BYTES);
    // It has become shorter: what is left is found out when it is read.
    if (got < wanted) break;
    at += wanted - WINDOW_BYTES;
  }
  return end - start;
}

export async function storeRanges(
  { path, seen, ranges }: Jobs["storeRanges"]["in"],
  tools: StoreTools,
): Promise<Jobs["storeRanges"]["out"]> {
  const { desk } = tools;
  const total = ranges.reduce((sum, { length }) => sum + length, 0);
  desk.memory.reserve(desk.plainFrom + total);
  const plains: Plain[] = [];
  using file = openSame(path, seen);
  let at = desk.plainFrom;
  for (const { offset, length } of ranges) {
    const got = readUpTo(file.descriptor, desk.memory.view(at, length), offset);
    if (got > 0) plains.push({ at, length: got });
    at += got;
  }
  const ids = await storePlains(plains, "data", tools);
  return { ids, sizeBytes: at - desk.plainFrom };
}

export async function storeFiles(
  { files }: Jobs["storeFiles"]["in"],
  tools: StoreTools,
): Promise<Jobs["storeFiles"]["out"]> {
  const { desk } = tools;
  const total = files.reduce((sum, { seen }) => sum + seen.sizeBytes, 0);
  desk.memory.reserve(desk.plainFrom + total);
  const results: ReadFileResult[] = [];
  const plains: Plain[] = [];
  let at = desk.plainFrom;
  for (const file of files) {
    const result = readWhole(file, desk.memory.view(at, file.seen.sizeBytes));
    results.push(result);
    if ("errorCode" in result || result.sizeBytes === 0) continue;
    plains.push({ at, length: result.sizeBytes });
    at += result.sizeBytes;
  }
  return { ids: await storePlains(plains, "data", tools), files: results };
}

function readWhole(
  file: Jobs["storeFiles"]["in"]["files"][number],
  into: Uint8Array,
): ReadFileResult {
  try {
    using opened = openSource(file.path);
    const found = opened.now();
    // There is no room for more than was seen: half of another file would be neither.
    if (!isSameFile(found, file.seen) && found.sizeBytes > into.length) throw anotherFile();
    const sizeBytes = readUpTo(opened.descriptor, into, 0);
    return { sizeBytes, changed: !isUntouched(opened.now(), file.seen) };
  } catch (error) {
    const errorCode = sourceCode(error);
    if (errorCode === undefined) throw error;
    return { errorCode, message: (error as Error).message };
  }
}

export async function storeBlobs(
  { type, blobs, lengths = blobs.map(({ length }) => length) }: Jobs["storeBlobs"]["in"],
  tools: StoreTools,
): Promise<Jobs["storeBlobs"]["out"]> {
  const { desk } = tools;
  desk.memory.reserve(desk.plainFrom + blobs.reduce((sum, blob) => sum + blob.length, 0));
  let end = desk.plainFrom;
  for (const blob of blobs) {
    desk.memory.view(end, blob.length).set(blob);
    end += blob.length;
  }
  const plains: Plain[] = [];
  let at = desk.plainFrom;
  for (const length of lengths) {
    plains.push({ at, length });
    at += length;
  }
  assert(at === end, "blobs take all that there is");
  return { ids: await storePlains(plains, type, tools) };
}

/** Stores what lies on the desk and is not yet in the repository. Returns all ids, in order. */
async function storePlains(
  plains: readonly Plain[],
  type: BlobType,
  { desk, packs, claim }: StoreTools,
): Promise<Uint8Array> {
  const ids = Buffer.alloc(plains.length * ID_BYTES);
  for (const [index, { at, length }] of plains.entries()) {
    ids.set(blobId(desk.memory.view(at, length)), index * ID_BYTES);
  }
  if (plains.length === 0) return ids;
  const wanted = await claim(ids, type);
  const last = plains.at(-1)!;
  desk.setPlainEnd(last.at + last.length);
  for (const [index, { at, length }] of plains.entries()) {
    if (wanted[index] === 0) continue;
    const id = ids.toString("hex", index * ID_BYTES, (index + 1) * ID_BYTES);
    packs[type].add(id, at, length);
  }
  // The plain bytes are compared when the batch is read back, so before the next job's lie here.
  packs[type].flush();
  return ids;
}

/** Opens the file that was seen: pieces of two files must not become one. */
function openSame(path: ByteString, seen: Identity): SourceFile {
  const file = openSource(path);
  if (isSameFile(file.now(), seen)) return file;
  file[Symbol.dispose]();
  throw anotherFile();
}

function anotherFile(): Error {
  return sourceError(ANOTHER_FILE, "another file has taken its place");
}

/** Reads until the buffer is full or the file ends; returns the number of bytes. */
function readUpTo(descriptor: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const got = ofSource(() =>
      readSync(descriptor, into, done, into.length - done, position + done),
    );
    if (got === 0) break;
    done += got;
  }
  return done;
}
