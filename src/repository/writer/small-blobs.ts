import type { BlobSink } from "./blob-sink.ts";
import { hexIds } from "./hex-ids.ts";

const BATCH_BYTES = 1024 * 1024;
/** Whoever is alone does not wait longer. */
const WAIT_MS = 3;

type Waiting = PromiseWithResolvers<string> & { readonly content: Uint8Array };

/**
 * Stores blobs that come one by one, and gives their ids. Those that come at about the same time go to a
 * thread together: a message costs more than a small blob.
 */
export function smallBlobs(sink: BlobSink): (content: Uint8Array) => Promise<string> {
  let waiting: Waiting[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const send = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const blobs = batch.map(({ content }) => content);
      const { done } = await sink.start("storeBlobs", { type: "data", blobs });
      const ids = hexIds((await done).ids);
      for (const [at, { resolve }] of batch.entries()) resolve(ids[at]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting;
    [waiting, bytes] = [[], 0];
    void send(batch);
  };
  return async (content) => {
    const one = { ...Promise.withResolvers<string>(), content };
    waiting.push(one);
    bytes += content.length;
    if (bytes >= BATCH_BYTES) flush();
    else timer ??= setTimeout(flush, WAIT_MS);
    return await one.promise;
  };
}
