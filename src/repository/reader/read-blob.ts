import { hash } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { startedAhead } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import { decompress } from "../crypto/compress.ts";
import { createStrongbox } from "../crypto/strongbox.ts";
import { HINT_CHECK } from "../files.ts";
import type { BlobType } from "../format/pack-header.ts";
import { fromAnyCopy } from "./any-copy.ts";
import { openPackWindows } from "./pack-windows.ts";
import { parseTree, type TreeNode } from "../format/tree.ts";
import type { BlobIndex, BlobPlace } from "../index/blob-index.ts";

/** Reads single blobs, for trees and small files; large ones go through the threads. */
export type BlobReader = {
  /** CORRUPT. */
  blob(id: string, type: BlobType): Promise<Buffer>;
  tree(id: string): Promise<TreeNode[]>;
};

export function openBlobReader(core: Core, index: BlobIndex, run: Run): BlobReader {
  const box = createStrongbox(core.key);
  const windows = openPackWindows(core, index);
  const readAt = async (place: BlobPlace): Promise<Buffer | undefined> => {
    const { packId, offset, length, uncompressedLength } = place;
    const payload = box.open(await windows.read(packId, offset, length, run));
    if (payload === undefined || uncompressedLength === 0) return payload;
    return decompress(payload, uncompressedLength);
  };
  const blob: BlobReader["blob"] = async (id, type) => {
    const what = `${type} blob ${id.slice(0, 8)} of ${core.backend.label}`;
    const unlisted = new AppError("CORRUPT", `read ${what}: the index does not list it`, {
      hint: HINT_CHECK,
    });
    return await fromAnyCopy({ core, index }, id, type, unlisted, async (place) => {
      const plain = await readAt(place);
      if (plain !== undefined && hash("sha256", plain) === id) return plain;
      throw new AppError("CORRUPT", `read ${what}: it is damaged`, { hint: HINT_CHECK });
    });
  };
  return {
    blob,
    tree: async (id) => parseTree(await blob(id, "tree"), `tree ${id.slice(0, 8)}`),
  };
}

/** The bytes of a file; some blobs are fetched before they are asked for. */
export async function* inOrder(
  content: readonly string[],
  blobs: BlobReader,
  run: Run,
): AsyncGenerator<Buffer> {
  for (const { result } of startedAhead(content, AHEAD, (id) => blobs.blob(id, "data"))) {
    run.signal.throwIfAborted();
    yield await result;
  }
}

/** Blobs that a stream fetches before they are asked for. */
const AHEAD = 4;
