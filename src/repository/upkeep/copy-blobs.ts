import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import { PACK_BYTES } from "../chunk-limits.ts";
import type { Core } from "../core.ts";
import type { BlobType } from "../format/pack-header.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { inSoundPieces, type OnLost, type Piece } from "../reader/any-copy.ts";
import { packParts } from "../reader/with-part.ts";
import { planParts, type Wanted } from "../reader/pack-parts.ts";
import type { Pool } from "../workers/pool.ts";
import type { BlobSink } from "../writer/blob-sink.ts";

export type BlobName = { readonly id: string; readonly type: BlobType };

export type CopySource = {
  readonly core: Core;
  readonly index: BlobIndex;
  /** Threads with the key of the source. */
  readonly pool: Pool;
};

/** Few, since the plain bytes of each are in memory until they are stored. */
const PARTS_AT_ONCE_MAX = 4;

/**
 * Copies blobs byte for byte into a sink, of the same repository or of another. CORRUPT where one can be read
 * nowhere, unless `onLost` hears of it.
 */
export async function copyBlobs(
  from: CopySource,
  names: readonly BlobName[],
  sink: BlobSink,
  run: Run,
  onLost?: OnLost,
): Promise<void> {
  const withPart = packParts(from.core);
  for (const type of ["data", "tree"] as const) {
    const wanted = names.filter((name) => name.type === type).map(({ id }) => need(from, id, type));
    // Each thread ends with a pack of its own: what fills one pack must not become several small ones.
    const bytes = wanted.reduce((sum, { place }) => sum + place.length, 0);
    const atOnce = Math.min(PARTS_AT_ONCE_MAX, Math.max(1, Math.floor(bytes / PACK_BYTES)));
    await inParallel(planParts(wanted), atOnce, async (part) => {
      // What the target has to say must not be taken for damage of the source.
      const read = async ({ packId, range, blobs }: Piece): Promise<readonly Uint8Array[]> => {
        run.signal.throwIfAborted();
        const { plain } = await withPart(packId, range, run, (packed) =>
          from.pool.run("readBlobs", { packId, part: packed, blobs }),
        );
        return plain;
      };
      const pieces = await inSoundPieces(from, part, read, onLost);
      const { done } = await sink.start("storeBlobs", { type, blobs: pieces.flat() });
      await done;
    });
  }
}

function need({ index }: CopySource, id: string, type: BlobType): Wanted {
  return { id, place: index.find(id, type)!, path: "", offset: 0 };
}
