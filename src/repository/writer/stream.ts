import { litterBox } from "../../base/litter.ts";
import { CHUNK_BYTES_MIN } from "../chunk-limits.ts";
import type { Core } from "../core.ts";
import type { Jobs } from "../workers/jobs.ts";
import { openOwnThread } from "../workers/pools.ts";
import type { BlobSink } from "./blob-sink.ts";
import { BATCH_BYTES, openChunkGroups, type SpareMemory } from "./chunk-groups.ts";

/** Batches that are read on while others are cut: whoever writes a dump shall not wait for us. */
const BATCHES_AHEAD = 8;
/** From here on it is worth a thread of its own that lets whoever writes go first. */
const BATCHES_LONG = 32;

/**
 * Stores what comes in pieces as a file of the same bytes is stored. This thread does no more than to take
 * the pieces: a pipe holds a fifth of a megabyte, and when it is full the program behind it stands still.
 */
export async function storeStream(
  source: AsyncIterable<Uint8Array>,
  core: Core,
  sink: BlobSink,
  spare: SpareMemory,
): Promise<{ content: string[]; sizeBytes: number }> {
  const groups = openChunkGroups(sink, spare);
  await using thread = openOwnThread(core);
  const cutting: Promise<Jobs["cut"]["out"]>[] = [];
  const next = async (): Promise<void> => {
    for (const end of (await cutting.shift()!).ends) await groups.endChunk(end);
  };
  let batches = 0;
  for await (const batch of batchesOf(source, groups.memory)) {
    groups.add(batch);
    // What is shorter than any chunk needs no thread.
    if (batches === 0 && batch.isLast && batch.size <= CHUNK_BYTES_MIN) {
      if (batch.size > 0) await groups.endChunk(batch.size);
      break;
    }
    if (++batches === BATCHES_LONG) {
      sink.giveWay();
      thread.giveWay();
    }
    const cut = thread.run("cut", batch);
    // It is heard of in its turn.
    cut.catch(() => {});
    cutting.push(cut);
    if (cutting.length > BATCHES_AHEAD) await next();
  }
  while (cutting.length > 0) await next();
  return await groups.finish();
}

/** Pieces are copied: whoever gave them may still want them. */
async function* batchesOf(
  source: AsyncIterable<Uint8Array>,
  memory: () => Uint8Array,
): AsyncGenerator<Jobs["cut"]["in"]> {
  const litter = litterBox();
  let bytes = memory();
  let size = 0;
  for await (const piece of source) {
    litter(piece.length);
    for (let at = 0; at < piece.length;) {
      const room = Math.min(BATCH_BYTES - size, piece.length - at);
      bytes.set(piece.subarray(at, at + room), size);
      size += room;
      at += room;
      if (size < BATCH_BYTES) continue;
      yield { bytes, size, isLast: false };
      bytes = memory();
      size = 0;
    }
  }
  yield { bytes, size, isLast: true };
}
