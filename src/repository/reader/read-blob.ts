import { hash } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { decompress } from "../crypto/compress.ts";
import { createStrongbox } from "../crypto/strongbox.ts";
import { HINT_CHECK } from "../files.ts";
import type { BlobType } from "../format/pack-header.ts";
import { openPackWindows } from "./pack-windows.ts";
import { parseTree, type TreeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";

/** Reads single blobs, for trees and small files; large ones go through the threads. */
export type BlobReader = {
  /** NOT_FOUND, CORRUPT. */
  blob(id: string, type: BlobType): Promise<Buffer>;
  tree(id: string): Promise<TreeNode[]>;
};

export function openBlobReader(core: Core, index: BlobIndex, run: Run): BlobReader {
  const box = createStrongbox(core.key);
  const windows = openPackWindows(core, index);
  const blob: BlobReader["blob"] = async (id, type) => {
    const what = `${type} blob ${id.slice(0, 8)} of ${core.backend.label}`;
    const place = index.find(id, type);
    if (place === undefined) {
      throw new AppError("CORRUPT", `read ${what}: the index does not list it`, {
        hint: HINT_CHECK,
      });
    }
    const { packId, offset, length, uncompressedLength } = place;
    const sealed = await windows.read(packId, offset, length, run);
    const payload = box.open(sealed);
    const plain =
      payload === undefined || uncompressedLength === 0
        ? payload
        : decompress(payload, uncompressedLength);
    if (plain !== undefined && hash("sha256", plain) === id) return plain;
    throw new AppError("CORRUPT", `read ${what}: it is damaged`, { hint: HINT_CHECK });
  };
  return {
    blob,
    tree: async (id) => parseTree(await blob(id, "tree"), `tree ${id.slice(0, 8)}`),
  };
}
