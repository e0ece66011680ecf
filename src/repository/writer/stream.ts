import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CUT_MASK } from "../chunk-limits.ts";
import { litterBox } from "../../base/litter.ts";
import { layTables, openHot } from "../crypto/hot.ts";
import { DESK_FROM } from "../crypto/sealer.ts";
import type { Polynomial } from "../format/polynomial.ts";
import type { BlobSink } from "./blob-sink.ts";

/** So much more is read before cuts are searched again. */
const STEP_BYTES = 256 * 1024;
const GROUP_BYTES = 2 * 1024 * 1024;

/** Cuts what comes in pieces as a file of the same bytes is cut, and stores it. */
export async function storeStream(
  source: AsyncIterable<Uint8Array>,
  polynomial: Polynomial,
  sink: BlobSink,
): Promise<{ content: string[]; sizeBytes: number }> {
  const jobs: Promise<{ ids: Uint8Array }>[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = 0;
  let sizeBytes = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const blobs = group;
    group = [];
    groupBytes = 0;
    const { done } = await sink.start("storeBlobs", { type: "data", blobs });
    done.catch(() => {});
    jobs.push(done);
  };
  for await (const chunk of chunksOf(source, polynomial)) {
    group.push(chunk);
    groupBytes += chunk.length;
    sizeBytes += chunk.length;
    if (groupBytes >= GROUP_BYTES) await flush();
  }
  await flush();
  const content: string[] = [];
  for (const { ids } of await Promise.all(jobs)) {
    const hex = Buffer.from(ids).toString("hex");
    content.push(...(hex.match(/.{64}/g) ?? []));
  }
  return { content, sizeBytes };
}

/** The bytes of one chunk lie in the memory of the loop that searches for its end. */
async function* chunksOf(
  source: AsyncIterable<Uint8Array>,
  polynomial: Polynomial,
): AsyncGenerator<Uint8Array> {
  const { hot, memory } = openHot();
  layTables(memory, polynomial);
  const base = DESK_FROM;
  memory.reserve(base + CHUNK_BYTES_MAX);
  let length = 0;
  // Cuts were searched up to here.
  let searched = CHUNK_BYTES_MIN;

  const take = (end: number): Uint8Array => {
    const chunk = memory.view(base, end).slice();
    memory.view(base, length).copyWithin(0, end, length);
    length -= end;
    searched = CHUNK_BYTES_MIN;
    return chunk;
  };
  /** Undefined: more is needed to know. */
  const endOfChunk = (): number | undefined => {
    if (length < searched) return undefined;
    const cut = hot.findCut(base + searched, base + length + 1, CUT_MASK);
    searched = length + 1;
    if (cut !== 0) return cut - base;
    return length === CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : undefined;
  };

  const litter = litterBox();
  for await (const piece of source) {
    litter(piece.length);
    for (let at = 0; at < piece.length;) {
      const room = Math.min(CHUNK_BYTES_MAX - length, piece.length - at);
      memory.view(base + length, room).set(piece.subarray(at, at + room));
      length += room;
      at += room;
      if (length < searched + STEP_BYTES && length < CHUNK_BYTES_MAX) continue;
      for (let end = endOfChunk(); end !== undefined; end = endOfChunk()) yield take(end);
    }
  }
  for (let end = endOfChunk(); end !== undefined; end = endOfChunk()) yield take(end);
  if (length > 0) yield take(length);
}
