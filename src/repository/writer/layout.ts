import { AppError } from "../../base/errors.ts";
import { type ByteString, toBytes } from "../format/go-string.ts";
import { encodeNode, encodeTree, type TreeNode } from "../format/tree.ts";
import type { BlobSink } from "./blob-sink.ts";

/** The upper folders of a snapshot, which lie on no disk: "stores", "stores/db". */
export type Layout = {
  /** Hangs an encoded node in under its path. ALREADY_EXISTS. */
  add(name: string, node: string): void;
  /** Stores the folders, bottom up, and returns the id of the root. */
  store(sink: BlobSink, folderNode: (name: ByteString) => TreeNode): Promise<string>;
};

type Folder = Map<string, Folder | string>;

export function createLayout(): Layout {
  const root: Folder = new Map();

  const save = async (
    folder: Folder,
    sink: BlobSink,
    folderNode: (name: ByteString) => TreeNode,
  ): Promise<string> => {
    const nodes: { name: ByteString; text: string }[] = [];
    for (const [segment, child] of folder) {
      const name = toBytes(segment);
      const text =
        typeof child === "string"
          ? child
          : encodeNode({ ...folderNode(name), subtree: await save(child, sink, folderNode) });
      nodes.push({ name, text });
    }
    nodes.sort((a, b) => (a.name < b.name ? -1 : 1));
    return await sink.tree(encodeTree(nodes.map(({ text }) => text)));
  };

  return {
    add(name, node) {
      const segments = name.split("/");
      const last = segments.pop()!;
      let folder = root;
      for (const segment of segments) {
        const child = folder.get(segment) ?? new Map<string, Folder | string>();
        if (typeof child === "string") throw occupied(name);
        folder.set(segment, child);
        folder = child;
      }
      if (folder.has(last)) throw occupied(name);
      folder.set(last, node);
    },
    async store(sink, folderNode) {
      if (root.size === 0) throw new AppError("USAGE", "commit snapshot: there is nothing in it");
      return await save(root, sink, folderNode);
    },
  };
}

function occupied(name: string): AppError {
  return new AppError("ALREADY_EXISTS", `store ${name}: something of that name is in the snapshot`);
}
