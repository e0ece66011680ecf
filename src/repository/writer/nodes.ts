import { type ByteString, toBytes } from "../format/go-string.ts";
import { formatTime } from "../format/go-time.ts";
import { toGoMode } from "../format/mode.ts";
import type { TreeNode } from "../format/tree.ts";
import type { TreeSummary } from "./walk.ts";

// What nodes of files are made of that do not lie on this disk as they shall look.

/** How a file looks in the snapshot when that is not how its bytes lie on this disk. */
export type FileMetadata = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
};

export function newSummary(): TreeSummary {
  return { filesNew: 0, filesChanged: 0, filesUnmodified: 0, dirs: 0, bytes: 0, problems: [] };
}

export function addSummary(total: TreeSummary, part: TreeSummary): void {
  total.filesNew += part.filesNew;
  total.filesChanged += part.filesChanged;
  total.filesUnmodified += part.filesUnmodified;
  total.dirs += part.dirs;
  total.bytes += part.bytes;
}

export function lastSegment(name: string): ByteString {
  return toBytes(name.slice(name.lastIndexOf("/") + 1));
}

export function metadataFields(metadata: FileMetadata | undefined): Partial<TreeNode> {
  if (metadata === undefined) return {};
  const time = formatTime(metadata.mtimeNs);
  const { uid, gid } = metadata;
  return { mode: toGoMode(metadata.mode), uid, gid, mtime: time, atime: time, ctime: time };
}

/** A node for what is on no disk. */
export function plainNode(name: ByteString, type: "file" | "dir"): TreeNode {
  return {
    name,
    type,
    mode: 0,
    mtime: "",
    atime: "",
    ctime: "",
    uid: 0,
    gid: 0,
    user: "",
    group: "",
    inode: 0n,
    deviceId: 0n,
    sizeBytes: 0,
    links: 0n,
    linkTarget: "",
    extendedAttributes: [],
    device: 0n,
    content: null,
    subtree: undefined,
  };
}
