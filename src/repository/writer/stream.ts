import { CHUNK_BYTES_MIN } from "../chunk-limits.ts";
import { litterBox } from "../../base/litter.ts";
import type { Core } from "../core.ts";
import type { Jobs } from "../workers/jobs.ts";
import { openOwnThread } from "../workers/pools.ts";
import type { BlobSink } from "./blob-sink.ts";
import { hexIds } from "./hex-ids.ts";

/** What is read goes to the thread that cuts it in batches: none is longer than the shortest chunk. */
const BATCH_BYTES = CHUNK_BYTES_MIN;
/** Batches that are read on while others are cut: whoever writes a dump shall not wait for us. */
const BATCHES_AHEAD = 4;
const GROUP_BYTES = 2 * 1024 * 1024;

/**
 * Stores what comes in pieces as a file of the same bytes is stored. This thread does no more than to take
 * the pieces: a pipe holds a fifth of a megabyte, and when it is full the program behind it stands still.
 */
export async function storeStream(
  source: AsyncIterable<Uint8Array>,
  core: Core,
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
  for await (const chunk of chunksOf(source, core, sink)) {
    group.push(chunk);
    groupBytes += chunk.length;
    sizeBytes += chunk.length;
    if (groupBytes >= GROUP_BYTES) await flush();
  }
  await flush();
  const content = (await Promise.all(jobs)).flatMap(({ ids }) => hexIds(ids));
  return { content, sizeBytes };
}

async function* chunksOf(
  source: AsyncIterable<Uint8Array>,
  core: Core,
  sink: BlobSink,
): AsyncGenerator<Uint8Array> {
  await using thread = openOwnThread(core);
  const cutting: Promise<Jobs["cut"]["out"]>[] = [];
  const spare: Uint8Array[] = [];
  const cut = (batch: Batch): void => {
    const done = thread.run("cut", batch);
    // It is heard of in its turn.
    done.catch(() => {});
    cutting.push(done);
  };
  const next = async (): Promise<readonly Uint8Array[]> => {
    const { chunks, bytes } = await cutting.shift()!;
    spare.push(bytes);
    return chunks;
  };
  const newBytes = (): Uint8Array => spare.pop() ?? new Uint8Array(BATCH_BYTES);
  let isFirst = true;
  for await (const batch of batchesOf(source, newBytes)) {
    // What is shorter than any chunk needs no thread.
    if (isFirst && batch.isLast) return yield* whole(batch);
    if (isFirst) sink.giveWay();
    isFirst = false;
    cut(batch);
    if (cutting.length > BATCHES_AHEAD) yield* await next();
  }
  while (cutting.length > 0) yield* await next();
}

type Batch = Jobs["cut"]["in"];

function whole({ bytes, size }: Batch): Uint8Array[] {
  return size === 0 ? [] : [bytes.slice(0, size)];
}

/** Pieces are copied: whoever gave them may still want them. */
async function* batchesOf(
  source: AsyncIterable<Uint8Array>,
  newBytes: () => Uint8Array,
): AsyncGenerator<Batch> {
  const litter = litterBox();
  let bytes = newBytes();
  let size = 0;
  for await (const piece of source) {
    litter(piece.length);
    for (let at = 0; at < piece.length;) {
      const room = Math.min(bytes.length - size, piece.length - at);
      bytes.set(piece.subarray(at, at + room), size);
      size += room;
      at += room;
      if (size < bytes.length) continue;
      yield { bytes, size, isLast: false };
      bytes = newBytes();
      size = 0;
    }
  }
  yield { bytes, size, isLast: true };
}
