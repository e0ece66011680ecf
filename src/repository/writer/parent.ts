import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { toBytes } from "../format/go-string.ts";
import { formatTime, parseTime } from "../format/go-time.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { TreeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { BlobReader } from "../reader/read-blob.ts";

/** The snapshot against which files are compared, so that unchanged ones are not read again. */
export type Parent = {
  /** The nodes of one of its trees; none where it is damaged. */
  loadTree(id: string): Promise<readonly TreeNode[]>;
  /** The tree of a folder, given as "stores/db"; undefined when it had none. */
  treeAt(name: string): Promise<string | undefined>;
  /** A file given as "stores/db/dump.sql"; undefined when there was none. */
  fileAt(name: string): Promise<TreeNode | undefined>;
  /** RFC 3339: what was changed later may look unchanged and not be. See `isSettled` in walk. */
  readonly settledBefore: string;
};

/** So long before the parent was begun: two seconds are a step of the coarsest file systems. */
const SETTLED_NS = 2_000_000_000n;

export function openParent(
  snapshot: Snapshot | undefined,
  blobs: BlobReader,
  index: BlobIndex,
  { report }: Run,
): Parent {
  const begun = snapshot === undefined ? undefined : parseTime(snapshot.time);

  /** Where the parent is damaged it is as if there were none: all is read again, and stored. */
  const loadTree = async (id: string): Promise<readonly TreeNode[]> => {
    try {
      return await blobs.tree(id);
    } catch (error) {
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "NOT_FOUND")) throw error;
      index.distrust(id);
      report({ type: "warning", message: `parent snapshot: ${(error as Error).message}` });
      return [];
    }
  };

  const treeAt = async (name: string): Promise<string | undefined> => {
    let tree = snapshot?.tree;
    for (const segment of name.split("/")) {
      if (tree === undefined) return undefined;
      const nodes = await loadTree(tree);
      tree = nodes.find((node) => node.name === toBytes(segment))?.subtree;
    }
    return tree;
  };

  // Who asks for one file of a folder mostly asks for the next one too.
  let opened: { folder: string; files: Promise<ReadonlyMap<string, TreeNode>> } | undefined;
  const filesIn = async (folder: string): Promise<ReadonlyMap<string, TreeNode>> => {
    const tree = await treeAt(folder);
    const nodes = tree === undefined ? [] : await loadTree(tree);
    return new Map(nodes.filter(({ type }) => type === "file").map((node) => [node.name, node]));
  };

  return {
    loadTree,
    treeAt,
    async fileAt(name) {
      const folder = name.slice(0, name.lastIndexOf("/"));
      if (opened?.folder !== folder) opened = { folder, files: filesIn(folder) };
      return (await opened.files).get(toBytes(name.slice(folder.length + 1)));
    },
    settledBefore: begun === undefined ? "" : formatTime(begun - SETTLED_NS),
  };
}
