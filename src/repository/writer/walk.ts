import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { AppError, systemCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type ByteString, toText } from "../format/go-string.ts";
import { isSameTime } from "../format/go-time.ts";
import { encodeNode, encodeTree, type TreeNode } from "../format/tree.ts";
import { rawPath } from "../workers/raw-path.ts";
import type { BlobSink } from "./blob-sink.ts";
import type { Chunking, FileStore, StoredFile } from "./file-store.ts";
import type { AttributeBatches } from "./attribute-batches.ts";
import type { Parent } from "./parent.ts";
import { identityOf } from "../workers/identity.ts";
import { type Names, statNode } from "./stat-node.ts";

/** Something in a folder that could not be read, or not at one moment. */
export type Problem = {
  readonly path: string;
  /**
   * `changed`; `replaced` by something that is no file; or the operating system's word, such as
   * EACCES. ENOENT: it vanished meanwhile.
   */
  readonly code: string;
  readonly message: string;
};

/** What was found and stored of a folder; files without those that could not be read. */
export type TreeSummary = {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  dirs: number;
  bytes: number;
  readonly problems: Problem[];
};

export type WalkTools = {
  readonly sink: BlobSink;
  readonly files: FileStore;
  readonly names: Names;
  readonly parent: Parent;
  readonly attributes: AttributeBatches;
  readonly chunking: (path: ByteString) => Chunking;
  /** Whether to leave this out, given its path below the folder. */
  readonly isExcluded: (relative: ByteString) => boolean;
  readonly summary: TreeSummary;
};

/** So often the walk lets the threads' messages through: it never waits for the disk itself. */
const ENTRIES_PER_TURN = 128;
const REPORT_MS = 200;

/** A node that is known now, or when its content has been stored. Undefined: it has vanished. */
type Later = string | undefined | Promise<string | undefined>;

/**
 * Stores a folder with all that is in it. `node` is its own node once everything in it is stored,
 * which may have to wait for `files.flush`.
 */
export async function walkFolder(
  folder: ByteString,
  name: ByteString,
  parent: string | undefined,
  tools: WalkTools,
  run: Run,
): Promise<{ node: Promise<string> }> {
  let entries = 0;
  let reportedMs = performance.now();

  const turn = async (): Promise<void> => {
    if (++entries % ENTRIES_PER_TURN !== 0) return;
    await yieldToOthers();
    run.signal.throwIfAborted();
    if (performance.now() - reportedMs < REPORT_MS) return;
    reportedMs = performance.now();
    run.report({ type: "progress", step: "read", bytesDone: tools.summary.bytes });
  };

  const saveFolder = async (
    path: ByteString,
    relative: ByteString,
    node: TreeNode,
    past: { readonly node: TreeNode | undefined; readonly tree: string | undefined },
  ): Promise<{ node: Promise<string> }> => {
    const before = await nodesByName(past.tree, tools);
    const attributes = tools.attributes.of(path, node, past.node);
    const nodes: Later[] = [];
    for (const child of readdirSync(rawPath(path), "latin1").toSorted(byBytes)) {
      const below = relative === "" ? child : `${relative}/${child}`;
      if (tools.isExcluded(below)) continue;
      await turn();
      nodes.push((await saveEntry(`${path}/${child}`, below, child, before.get(child))).node);
    }
    tools.summary.dirs++;
    const whole = Promise.all(nodes.map((later) => Promise.resolve(later))).then(async (all) => {
      const known = all.filter((text) => text !== undefined);
      const subtree = await tools.sink.tree(encodeTree(known));
      return encodeNode({ ...node, subtree, extendedAttributes: await attributes });
    });
    // Whoever awaits the root hears of a failure; on the way there nobody needs to.
    whole.catch(() => {});
    return { node: whole };
  };

  const saveEntry = async (
    path: ByteString,
    relative: ByteString,
    child: ByteString,
    before: TreeNode | undefined,
  ): Promise<{ node: Later }> => {
    try {
      const stat = lstatSync(rawPath(path), { bigint: true });
      const node = statNode(child, stat, tools.names);
      switch (node.type) {
        case "dir":
          return await saveFolder(path, relative, node, { node: before, tree: before?.subtree });
        case "file":
          return await saveFile(path, node, stat, before);
        case "symlink":
          return {
            node: encodeNode({ ...node, linkTarget: readlinkSync(rawPath(path), "latin1") }),
          };
        case "dev":
        case "chardev":
        case "fifo":
          return { node: encodeNode(node) };
        // A socket means nothing once the process behind it is gone.
        case "socket":
        case "irregular":
          return { node: undefined };
      }
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined || !(error as NodeJS.ErrnoException).syscall) throw error;
      tools.summary.problems.push({ path: toText(path), code, message: (error as Error).message });
      return { node: undefined };
    }
  };

  const saveFile = async (
    path: ByteString,
    node: TreeNode,
    stat: BigIntStats,
    before: TreeNode | undefined,
  ): Promise<{ node: Later }> => {
    const { summary, sink } = tools;
    summary.bytes += node.sizeBytes;
    if (before !== undefined && isUnchanged(node, before, sink) && isSettled(node, tools)) {
      summary.filesUnmodified++;
      const { content } = before;
      const known = tools.attributes.of(path, node, before);
      if (!(known instanceof Promise)) {
        return { node: encodeNode({ ...node, content, extendedAttributes: known }) };
      }
      const later = known.then((all) => encodeNode({ ...node, content, extendedAttributes: all }));
      later.catch(() => {});
      return { node: later };
    }
    const attributes = tools.attributes.of(path, node, before);
    const { done } = await tools.files.store({
      path,
      seen: identityOf(stat),
      chunking: tools.chunking(path),
    });
    const later = done.then(async (stored) => {
      if ("content" in stored) summary[kindOf(stored.content, before)]++;
      const whole = { ...node, extendedAttributes: await attributes };
      return finishFile(path, whole, stored, summary);
    });
    // The folder hears of a failure, but only once it has looked at all its entries.
    later.catch(() => {});
    return { node: later };
  };

  const stat = lstatSync(rawPath(folder), { bigint: true, throwIfNoEntry: false });
  if (stat?.isDirectory() !== true) {
    const problem = stat === undefined ? "there is nothing" : "it is no folder";
    throw new AppError("SOURCE_FAILED", `read ${toText(folder)}: ${problem}`, {
      hint: "Name the folder itself, not a link to it.",
    });
  }
  const node = statNode(name, stat, tools.names);
  return await saveFolder(folder, "", node, { node: undefined, tree: parent });
}

function finishFile(
  path: ByteString,
  node: TreeNode,
  stored: StoredFile,
  { problems }: TreeSummary,
): string | undefined {
  if ("errorCode" in stored) {
    const { errorCode: code, message } = stored;
    problems.push({ path: toText(path), code, message });
    return undefined;
  }
  if (stored.changed) {
    problems.push({ path: toText(path), code: "changed", message: "written to while it was read" });
  }
  return encodeNode({ ...node, sizeBytes: stored.sizeBytes, content: stored.content });
}

/** As restic decides it; and all its chunks must still be there, so that a loss heals by itself. */
function isUnchanged(node: TreeNode, before: TreeNode, { index }: BlobSink): boolean {
  return (
    before.type === "file" &&
    before.content !== null &&
    before.sizeBytes === node.sizeBytes &&
    before.inode === node.inode &&
    isSameTime(before.mtime, node.mtime) &&
    isSameTime(before.ctime, node.ctime) &&
    before.content.every((id) => index.has(id, "data"))
  );
}

/**
 * What was changed within a tick before the parent was begun may have been changed again after it
 * was read without looking different: file systems give times in steps of milliseconds.
 */
function isSettled({ ctime }: TreeNode, { parent: { settledBefore } }: WalkTools): boolean {
  // Both are in UTC; to the second is near enough.
  return ctime.slice(0, 19) < settledBefore.slice(0, 19);
}

function kindOf(
  content: readonly string[],
  before: TreeNode | undefined,
): "filesNew" | "filesChanged" | "filesUnmodified" {
  if (before === undefined) return "filesNew";
  return isSameContent(content, before.content) ? "filesUnmodified" : "filesChanged";
}

function isSameContent(a: readonly string[], b: readonly string[] | null | undefined): boolean {
  return b !== undefined && b !== null && a.length === b.length && a.every((id, i) => id === b[i]);
}

async function nodesByName(
  tree: string | undefined,
  { parent }: WalkTools,
): Promise<Map<ByteString, TreeNode>> {
  if (tree === undefined) return new Map();
  return new Map((await parent.loadTree(tree)).map((node) => [node.name, node]));
}

function byBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : 1;
}
