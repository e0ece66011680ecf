import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { toText } from "../format/go-string.ts";
import type { Snapshot } from "../format/snapshot.ts";
import type { TreeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { BlobReader } from "../reader/read-blob.ts";

/**
 * Marks in the index all that the snapshots need, each tree being read once. Returns what is
 * missing or damaged, in words; nothing may be removed while there is any of that.
 */
export async function markUsed(
  snapshots: readonly Snapshot[],
  index: BlobIndex,
  blobs: BlobReader,
  run: Run,
): Promise<string[]> {
  const problems: string[] = [];

  const visit = async (tree: string, where: string): Promise<void> => {
    run.signal.throwIfAborted();
    const marked = index.mark(tree, "tree");
    if (marked === "again") return;
    if (marked === "missing") {
      problems.push(`${where}: tree ${tree.slice(0, 8)} is missing`);
      return;
    }
    for (const node of await read(tree, where)) {
      const path = `${where}/${toText(node.name)}`;
      markContent(node, path);
      if (node.subtree !== undefined) await visit(node.subtree, path);
    }
  };

  const markContent = ({ content, sizeBytes }: TreeNode, path: string): void => {
    if (content === null) return;
    let bytes = 0;
    for (const id of content) {
      if (index.mark(id, "data") === "missing") {
        problems.push(`${path}: chunk ${id.slice(0, 8)} is missing`);
        return;
      }
      bytes += index.plainLength(id, "data");
    }
    if (bytes !== sizeBytes) {
      problems.push(`${path}: its chunks have ${bytes} bytes, it should have ${sizeBytes}`);
    }
  };

  const read = async (tree: string, where: string): Promise<readonly TreeNode[]> => {
    try {
      return await blobs.tree(tree);
    } catch (error) {
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "NOT_FOUND")) throw error;
      problems.push(`${where}: ${(error as Error).message}`);
      return [];
    }
  };

  for (const { id, tree } of snapshots) await visit(tree, `snapshot ${id.slice(0, 8)}`);
  return problems;
}
