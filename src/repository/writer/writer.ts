import { type BigIntStats, lstatSync } from "node:fs";
import { AppError, systemCode } from "../../base/errors.ts";
import { readAttributes } from "../../base/attributes.ts";
import type { Core } from "../core.ts";
import { type ByteString, toBytes } from "../format/go-string.ts";
import { formatTime } from "../format/go-time.ts";
import { encodeSnapshot, type Snapshot, type SnapshotFile } from "../format/snapshot.ts";
import { encodeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { Lock } from "../lock.ts";
import { inOrder, openBlobReader } from "../reader/read-blob.ts";
import { identityOf } from "../workers/identity.ts";
import { rawPath } from "../workers/raw-path.ts";
import { type Added, openBlobSink } from "./blob-sink.ts";
import { createAttributeBatches } from "./attribute-batches.ts";
import { type Chunking, createFileStore } from "./file-store.ts";
import { createLayout } from "./layout.ts";
import { openParent } from "./parent.ts";
import { statNode, systemNames } from "./stat-node.ts";
import { smallBlobs } from "./small-blobs.ts";
import type { SpareMemory } from "./chunk-groups.ts";
import { storeStream } from "./stream.ts";
import { type TreeSummary, walkFolder } from "./walk.ts";
import {
  addSummary,
  type FileMetadata,
  lastSegment,
  metadataFields,
  newSummary,
  plainNode,
} from "./nodes.ts";

export type { FileMetadata } from "./nodes.ts";

export type TreeOptions = {
  readonly chunking?: (path: string) => Chunking;
  /** Whether to leave this path below the folder out, given as bytes in latin1. */
  readonly isExcluded?: (relative: ByteString) => boolean;
};

export type FileOptions = {
  readonly chunking: Chunking;
  readonly metadata?: FileMetadata;
  /** The file whose extended attributes it gets, when it is a copy; else its own. */
  readonly attributesOf?: string;
};

export type SnapshotFacts = Omit<SnapshotFile, "time" | "tree" | "parent" | "summary"> & {
  readonly time: Date;
};

/** Puts one snapshot together. Nothing of it can be seen before `commit`. */
export type Writer = AsyncDisposable & {
  /** Stores a folder under a name, which may have several segments: "stores/db". */
  tree(name: string, folder: string | Buffer, options: TreeOptions): Promise<TreeSummary>;
  /** Stores one file of this disk. Metadata is that of the file unless given. */
  file(
    name: string,
    path: string,
    options: FileOptions,
  ): Promise<{
    readonly sizeBytes: number;
    readonly content: readonly string[];
    /** Whether it was written to while it was read. */
    readonly changed: boolean;
  }>;
  /**
   * Stores bytes as a file, such as the description of what was saved. They are handed over: whoever
   * has them must not use them any more.
   */
  bytes(name: string, content: Uint8Array, metadata: FileMetadata): Promise<void>;
  /** Stores what comes in pieces as a file, such as a dump: nothing of it lies on a disk between. */
  stream(
    name: string,
    source: AsyncIterable<Uint8Array>,
    metadata: FileMetadata,
  ): Promise<{ readonly sizeBytes: number; readonly content: readonly string[] }>;
  /**
   * Takes a file over as the parent snapshot has it under the same name, without reading it. False
   * when it is not there, has another size, or is not whole in the repository.
   */
  reuse(name: string, sizeBytes: number): Promise<boolean>;
  /** A file of the parent snapshot, in pieces; undefined when it has none of this name. */
  previous(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Everything stored so far is in the repository, if not yet in a snapshot. */
  flush(): Promise<void>;
  /** The snapshot file is written last: with it the snapshot is there, without it nothing is. */
  commit(facts: SnapshotFacts): Promise<{ readonly snapshot: Snapshot; readonly added: Added }>;
};

export function openWriter(
  core: Core,
  index: BlobIndex,
  parent: Snapshot | undefined,
  { run, confirm }: Lock,
): Writer {
  const sink = openBlobSink(core, index, run);
  const files = createFileStore(sink);
  const names = systemNames();
  const blobs = openBlobReader(core, index, run);
  const before = openParent(parent, blobs, index, run);
  const layout = createLayout();
  const started = core.clock.now();
  const total: TreeSummary = newSummary();
  let hasAttributes = true;

  const storeSmall = smallBlobs(sink);
  const spare: SpareMemory = [];
  const storeBytes = async (content: Uint8Array): Promise<string[]> =>
    content.length === 0 ? [] : [await storeSmall(content)];

  const addFile = (
    name: string,
    metadata: FileMetadata,
    stored: { readonly sizeBytes: number; readonly content: readonly string[] },
  ): void => {
    const node = { ...plainNode(lastSegment(name), "file"), ...metadataFields(metadata) };
    layout.add(name, encodeNode({ ...node, ...stored, links: 1n }));
    total.filesNew++;
    total.bytes += stored.sizeBytes;
  };

  return {
    async tree(name, folder, { chunking = () => "content", isExcluded = () => false }) {
      const summary = newSummary();
      const path = typeof folder === "string" ? toBytes(folder) : folder.toString("latin1");
      const parentTree = await before.treeAt(name);
      const noAttributes = (): void => {
        hasAttributes = false;
        summary.problems.push({ path, code: "attributes", message: NO_ATTRIBUTES });
      };
      const isTrusted = parent?.tags?.includes(NO_ATTRIBUTES_TAG) !== true;
      const attributes = createAttributeBatches(run, noAttributes, isTrusted);
      const tools = {
        attributes,
        sink,
        files,
        names,
        summary,
        isExcluded,
        chunking,
        parent: before,
      };
      const { node } = await walkFolder(path, lastSegment(name), parentTree, tools, run);
      await files.flush();
      attributes.flush();
      layout.add(name, await node);
      addSummary(total, summary);
      return summary;
    },

    async file(name, path, { chunking, metadata, attributesOf = path }) {
      const stat = statOf(path);
      if (!stat.isFile()) throw new AppError("SOURCE_FAILED", `read ${path}: it is no file`);
      const { done } = await files.store({ path: toBytes(path), seen: identityOf(stat), chunking });
      await files.flush();
      const stored = await done;
      if ("errorCode" in stored) {
        throw new AppError("SOURCE_FAILED", `read ${path}: ${stored.message}`);
      }
      const node = statNode(lastSegment(name), stat, names);
      const { content } = stored;
      const found = await readAttributes([toBytes(attributesOf)], run);
      if (found === undefined) {
        run.report({ type: "warning", message: `${attributesOf}: ${NO_ATTRIBUTES}` });
      }
      const changes = {
        content,
        sizeBytes: stored.sizeBytes,
        extendedAttributes: found?.get(toBytes(attributesOf)) ?? [],
        ...metadataFields(metadata),
      };
      layout.add(name, encodeNode({ ...node, ...changes }));
      total.filesNew++;
      total.bytes += stored.sizeBytes;
      return { sizeBytes: stored.sizeBytes, content, changed: stored.changed };
    },

    async bytes(name, bytes, metadata) {
      // Without its memory it looks like nothing.
      if ((bytes.buffer as ArrayBuffer).detached) {
        throw new AppError("USAGE", `store ${name}: its bytes were handed over before`);
      }
      addFile(name, metadata, { sizeBytes: bytes.length, content: await storeBytes(bytes) });
    },

    async stream(name, source, metadata) {
      const stored = await storeStream(source, core, sink, spare);
      addFile(name, metadata, stored);
      return stored;
    },

    async reuse(name, sizeBytes) {
      const node = await before.fileAt(name);
      if (node?.sizeBytes !== sizeBytes) return false;
      if (!(node.content ?? []).every((id) => index.has(id, "data"))) return false;
      layout.add(name, encodeNode(node));
      total.filesUnmodified++;
      total.bytes += sizeBytes;
      return true;
    },

    async previous(name) {
      const node = await before.fileAt(name);
      return node === undefined ? undefined : inOrder(node.content ?? [], blobs, run);
    },

    flush: sink.finish,

    async commit({ time, ...facts }) {
      const timeText = formatTime(BigInt(time.getTime()) * 1_000_000n);
      const tree = await layout.store(sink, (name) => ({
        ...plainNode(name, "dir"),
        ...metadataFields({ ...FOLDER, mtimeNs: BigInt(time.getTime()) * 1_000_000n }),
      }));
      await sink.finish();
      const file: SnapshotFile = {
        ...facts,
        tags: hasAttributes ? facts.tags : [...(facts.tags ?? []), NO_ATTRIBUTES_TAG],
        time: timeText,
        parent: parent?.id,
        tree,
        summary: {
          backup_start: formatTime(BigInt(started.getTime()) * 1_000_000n),
          backup_end: formatTime(BigInt(core.clock.now().getTime()) * 1_000_000n),
          files_new: total.filesNew,
          files_changed: total.filesChanged,
          files_unmodified: total.filesUnmodified,
          dirs_new: total.dirs,
          dirs_changed: 0,
          dirs_unmodified: 0,
          data_blobs: sink.added.dataBlobs,
          tree_blobs: sink.added.treeBlobs,
          data_added: sink.added.bytes,
          data_added_packed: sink.added.bytesPacked,
          total_files_processed: total.filesNew + total.filesChanged + total.filesUnmodified,
          total_bytes_processed: total.bytes,
        },
      };
      await confirm();
      const id = await core.files.save("snapshots", encodeSnapshot(file), run);
      return { snapshot: { ...file, id }, added: sink.added };
    },

    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

const FOLDER = { mode: 0o040755, uid: 0, gid: 0 };

function statOf(path: string): BigIntStats {
  try {
    return lstatSync(rawPath(toBytes(path)), { bigint: true });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new AppError("SOURCE_FAILED", `read ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A snapshot with this tag is no authority on attributes for the next one. */
const NO_ATTRIBUTES_TAG = "lastgood-no-attributes";
const NO_ATTRIBUTES = "ACLs and other extended attributes are not kept: install getfattr (attr)";
