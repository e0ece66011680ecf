import type { BlobSink } from "./blob-sink.ts";
import { hexIds } from "./hex-ids.ts";

/** What is read of a stream is gathered and cut in batches of so many bytes. */
export const BATCH_BYTES = 1024 * 1024;
const GROUP_BYTES = 2 * 1024 * 1024;

type Batch = {
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Where in the stream it begins. */
  readonly from: number;
  /** Groups that lie in it and are being stored. */
  users: number;
};

/**
 * Stores the chunks of a stream, some at a time. Its batches lie in memory that all threads see, so nothing is
 * copied or handed over on the way; what has been stored makes room for the next.
 */
export type ChunkGroups = {
  /** Where the next batch may lie: BATCH_BYTES. */
  memory(): Uint8Array;
  /** The next batch of the stream. */
  add(batch: { readonly bytes: Uint8Array; readonly size: number }): void;
  /** A chunk ends here in the stream, and the next one begins. Waits while there is enough to do. */
  endChunk(end: number): Promise<void>;
  /** The ids of all chunks, in order, once they are stored. */
  finish(): Promise<{ content: string[]; sizeBytes: number }>;
};

/** Memory of batches that is free, for the streams of a snapshot: what threads share no collector counts. */
export type SpareMemory = Uint8Array[];

export function openChunkGroups(sink: BlobSink, spare: SpareMemory): ChunkGroups {
  const jobs: Promise<{ ids: Uint8Array }>[] = [];
  /** Batches with bytes that are in no group yet. */
  let batches: Batch[] = [];
  let sizeBytes = 0;
  let groupFrom = 0;
  let chunkFrom = 0;
  let lengths: number[] = [];

  const release = (batch: Batch): void => {
    if (batch.users === 0 && !batches.includes(batch)) spare.push(batch.bytes);
  };
  const flush = async (): Promise<void> => {
    if (lengths.length === 0) return;
    const [from, to] = [groupFrom, chunkFrom];
    const used = batches.filter((batch) => batch.from < to);
    const blobs = used.map(({ bytes, size, from: start }) =>
      bytes.subarray(Math.max(0, from - start), Math.min(size, to - start)),
    );
    for (const batch of used) batch.users++;
    batches = batches.filter((batch) => batch.from + batch.size > to);
    const group = { type: "data" as const, blobs, lengths };
    lengths = [];
    groupFrom = to;
    const { done } = await sink.start("storeBlobs", group);
    const stored = done.finally(() => {
      for (const batch of used) {
        batch.users--;
        release(batch);
      }
    });
    stored.catch(() => {});
    jobs.push(stored);
  };

  return {
    memory: () => spare.pop() ?? new Uint8Array(new SharedArrayBuffer(BATCH_BYTES)),
    add({ bytes, size }) {
      batches.push({ bytes, size, from: sizeBytes, users: 0 });
      sizeBytes += size;
    },
    async endChunk(end) {
      lengths.push(end - chunkFrom);
      chunkFrom = end;
      if (chunkFrom - groupFrom >= GROUP_BYTES) await flush();
    },
    async finish() {
      await flush();
      const content = (await Promise.all(jobs)).flatMap(({ ids }) => hexIds(ids));
      spare.push(...batches.map(({ bytes }) => bytes));
      return { content, sizeBytes };
    },
  };
}
