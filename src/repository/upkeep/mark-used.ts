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

  const markContent = (node: TreeNode, path: string): void => {
    const problem = problemOfContent(node, index, (id) => index.mark(id, "data") !== "missing");
    if (problem !== undefined) problems.push(`${path}: ${problem}`);
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

/** What is wrong with the chunks of a file, as far as their lengths and `isThere` tell. */
function problemOfContent(
  { content, sizeBytes }: TreeNode,
  index: Pick<BlobIndex, "plainLength">,
  isThere: (id: string) => boolean,
): string | undefined {
  let bytes = 0;
  for (const id of content ?? []) {
    if (!isThere(id)) return `chunk ${id.slice(0, 8)} is missing or damaged`;
    bytes += index.plainLength(id, "data");
  }
  if (content === null || bytes === sizeBytes) return undefined;
  return `its chunks have ${bytes} bytes, it should have ${sizeBytes}`;
}

/** Where blobs can be had, each in one place or another. */
export type Places = {
  hasChunk(id: string): boolean;
  plainLength: BlobIndex["plainLength"];
  tree: BlobReader["tree"];
};

/** What snapshots have lost, the first of it, by their ids; whole ones are not among them. Each tree is read once. */
export async function lossesOf(
  snapshots: readonly Snapshot[],
  places: Places,
  run: Run,
): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string | undefined>();

  const visit = async (tree: string): Promise<string | undefined> => {
    run.signal.throwIfAborted();
    if (!known.has(tree)) known.set(tree, await lossIn(tree));
    return known.get(tree);
  };

  const lossIn = async (tree: string): Promise<string | undefined> => {
    try {
      for (const node of await places.tree(tree)) {
        const name = toText(node.name);
        const own = problemOfContent(node, places, (id) => places.hasChunk(id));
        if (own !== undefined) return `${name}: ${own}`;
        const below = node.subtree === undefined ? undefined : await visit(node.subtree);
        if (below !== undefined) return `${name}/${below}`;
      }
      return undefined;
    } catch (error) {
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "NOT_FOUND")) throw error;
      return (error as Error).message;
    }
  };

  const losses = new Map<string, string>();
  for (const { id, tree } of snapshots) {
    const loss = await visit(tree);
    if (loss !== undefined) losses.set(id, loss);
  }
  return losses;
}
