import { lstatSync } from "node:fs";
import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { toBytes, toText } from "../format/go-string.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { TreeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { inOrder, openBlobReader } from "./read-blob.ts";
import { type Restored, restoreNode, targetProblem } from "./restore.ts";

export type Entry = {
  readonly name: string;
  readonly node: TreeNode;
};

/** Gives back what is in one snapshot. */
export type Reader = {
  readonly snapshot: Snapshot;
  /** What lies in a folder of the snapshot; "" is its root. NOT_FOUND. */
  list(folder: string): Promise<Entry[]>;
  /** The node of a path; undefined when there is none. */
  find(path: string): Promise<TreeNode | undefined>;
  /** The bytes of a small file. NOT_FOUND; CORRUPT. */
  read(path: string): Promise<Buffer>;
  /** The bytes of a file in pieces, such as a dump that goes straight into a program. */
  stream(path: string): AsyncIterable<Uint8Array>;
  /**
   * Restores the folder's content into a folder that is not there yet or empty. What is large goes past
   * the kernel's cache, to the disk.
   */
  tree(path: string, target: string): Promise<Restored>;
  /** Restores one file to a path where nothing is yet. It is in the kernel's cache for who opens it next. */
  file(path: string, target: string): Promise<Restored>;
};

/** ALREADY_EXISTS; NOT_FOUND when there is no folder to put it into. */
function refuseTarget(target: string): void {
  try {
    lstatSync(path.dirname(target));
    if (lstatSync(target, { throwIfNoEntry: false }) === undefined) return;
  } catch (error) {
    throw targetProblem(error, target);
  }
  throw new AppError("ALREADY_EXISTS", `restore to ${target}: there is something already`);
}

/** `read` is for descriptions and registries, not for data. */
const READ_BYTES_MAX = 64 * 1024 * 1024;

export function openReader(core: Core, index: BlobIndex, snapshot: Snapshot, run: Run): Reader {
  const blobs = openBlobReader(core, index, run);
  const tools = { core, index, blobs, run };

  const find = async (named: string): Promise<TreeNode | undefined> => {
    let node: TreeNode | undefined;
    let tree: string | undefined = snapshot.tree;
    for (const segment of named.split("/")) {
      if (tree === undefined) return undefined;
      node = (await blobs.tree(tree)).find(({ name }) => name === toBytes(segment));
      tree = node?.subtree;
    }
    return node;
  };

  const need = async (named: string, type: "file" | "dir"): Promise<TreeNode> => {
    const node = await find(named);
    if (node?.type === type) return node;
    const what = type === "dir" ? "folder" : "file";
    throw new AppError(
      "NOT_FOUND",
      `read snapshot ${snapshot.id.slice(0, 8)}: no ${what} ${named}`,
    );
  };

  return {
    snapshot,
    find,
    async list(folder) {
      const tree = folder === "" ? snapshot.tree : (await need(folder, "dir")).subtree!;
      return (await blobs.tree(tree)).map((node) => ({ name: toText(node.name), node }));
    },
    async read(named) {
      const node = await need(named, "file");
      const parts: Buffer[] = [];
      let bytes = 0;
      for (const id of node.content!) {
        const part = await blobs.blob(id, "data");
        bytes += part.length;
        if (bytes > READ_BYTES_MAX) throw new AppError("CORRUPT", `read ${named}: too large`);
        parts.push(part);
      }
      return Buffer.concat(parts);
    },
    async *stream(named) {
      yield* inOrder((await need(named, "file")).content ?? [], blobs, run);
    },
    async tree(named, target) {
      const node = await need(named, "dir");
      return await restoreNode(node, target, { ...tools, pastCache: true });
    },
    async file(named, target) {
      refuseTarget(target);
      const node = await need(named, "file");
      return await restoreNode(node, target, { ...tools, pastCache: false });
    },
  };
}
