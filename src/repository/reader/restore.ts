import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { translateDiskError } from "../../base/disk-errors.ts";
import { AppError, systemCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeAttributes } from "../../base/attributes.ts";
import { HINT_CHECK } from "../files.ts";
import { type ByteString, toBytes, toText } from "../format/go-string.ts";
import { parseTime } from "../format/go-time.ts";
import { permissionsOf } from "../format/mode.ts";
import { plainBytesOf } from "../format/pack-header.ts";
import type { TreeNode } from "../format/tree.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { FileFinish } from "../workers/jobs.ts";
import type { Pool } from "../workers/pool.ts";
import { openRestorePool } from "../workers/pools.ts";
import { rawPath } from "../workers/raw-path.ts";
import { makeSpecialFiles, type SpecialFile } from "./special-files.ts";
import type { Wanted } from "./pack-parts.ts";
import type { BlobReader } from "./read-blob.ts";
import { writeContents, type WriteTools } from "./write-contents.ts";

export type Restored = {
  readonly files: number;
  readonly bytes: number;
  /** What could not be put back as it was, in words: an owner, a device. */
  readonly problems: readonly string[];
};

export type RestoreTools = WriteTools & { readonly blobs: BlobReader };

type Found = {
  readonly wanted: Wanted[];
  readonly files: FileFinish[];
  /** Parents before what is in them. */
  readonly dirs: FileFinish[];
  readonly problems: string[];
  readonly special: SpecialFile[];
  readonly attributes: Map<ByteString, TreeNode["extendedAttributes"]>;
  bytes: number;
};

const FINISH_AT_ONCE = 256;
const DIRECTORY_MODE_AT_FIRST = 0o700;

/**
 * Puts a file, or a folder with all that is in it, where nothing is yet. Folders are made first and
 * links last, so that nothing is ever written through a link that the snapshot brought along.
 */
export async function restoreNode(
  node: TreeNode,
  target: string,
  tools: RestoreTools,
): Promise<Restored> {
  const found = nothingFound();
  const linked = new Map<string, ByteString>();
  await collect(node, toBytes(target), found, linked, tools);
  await using pool = openRestorePool(tools.core);
  await writeContents(found.wanted, found.bytes, pool, tools);
  const links = found.files.filter(({ sameAs }) => sameAs !== undefined);
  const special = await makeSpecialFiles(found.special, tools.run);
  found.problems.push(...special.problems);
  found.files.push(...special.made.map((made) => finishOf(made.node, made.target)));
  const originals = found.files.filter(({ sameAs }) => sameAs === undefined);
  for (const files of [originals, links, found.dirs.toReversed()]) {
    await finishAll(files, found.problems, pool, tools.run);
  }
  // Last, since a new owner takes a file's capabilities from it.
  found.problems.push(...(await writeAttributes(found.attributes, tools.run)));
  return { files: found.files.length, bytes: found.bytes, problems: found.problems };
}

function nothingFound(): Found {
  const attributes = new Map();
  return { wanted: [], files: [], dirs: [], problems: [], special: [], attributes, bytes: 0 };
}

async function collect(
  node: TreeNode,
  target: ByteString,
  found: Found,
  linked: Map<string, ByteString>,
  tools: RestoreTools,
): Promise<void> {
  tools.run.signal.throwIfAborted();
  if (node.extendedAttributes.length > 0) found.attributes.set(target, node.extendedAttributes);
  switch (node.type) {
    case "dir":
      makeEmptyFolder(target);
      found.dirs.push(finishOf(node, target));
      for (const child of await tools.blobs.tree(node.subtree!)) {
        await collect(child, `${target}/${child.name}`, found, linked, tools);
      }
      return;
    case "file":
      return collectFile(node, target, found, linked, tools.index);
    case "symlink":
      found.files.push(finishOf(node, target));
      return;
    case "dev":
    case "chardev":
    case "fifo":
      found.special.push({ node, target });
      return;
    case "socket":
    case "irregular":
      found.problems.push(`${toText(target)}: a ${node.type} is not restored`);
  }
}

function collectFile(
  node: TreeNode,
  target: ByteString,
  found: Found,
  linked: Map<string, ByteString>,
  index: BlobIndex,
): void {
  const finish = finishOf(node, target);
  // Two names of one file have one content; a tree that says otherwise does not get its way.
  const inode =
    node.links > 1n ? `${node.deviceId}:${node.inode}:${node.content!.join()}` : undefined;
  const sameAs = inode === undefined ? undefined : linked.get(inode);
  if (sameAs !== undefined) {
    found.files.push({ ...finish, sameAs });
    return;
  }
  if (inode !== undefined) linked.set(inode, target);
  let offset = 0;
  for (const id of node.content!) {
    const place = index.find(id, "data");
    if (place === undefined) {
      throw new AppError(
        "CORRUPT",
        `restore ${toText(target)}: chunk ${id.slice(0, 8)} is missing`,
        {
          hint: "Restore another snapshot. lastgood check says which ones are whole.",
        },
      );
    }
    found.wanted.push({ id, place, path: target, offset });
    offset += plainBytesOf(place);
  }
  if (offset !== node.sizeBytes) {
    const sizes = `its chunks have ${offset} bytes, it should have ${node.sizeBytes}`;
    throw new AppError("CORRUPT", `restore ${toText(target)}: ${sizes}`, { hint: HINT_CHECK });
  }
  found.bytes += offset;
  found.files.push(finish);
}

/** Into a folder that has something in it nothing is restored: it would be a mixture. */
function makeEmptyFolder(target: ByteString): void {
  try {
    mkdirSync(rawPath(target), { mode: DIRECTORY_MODE_AT_FIRST });
  } catch (error) {
    if (systemCode(error) === "EEXIST" && isEmptyFolder(target)) return;
    throw targetProblem(error, toText(target));
  }
}

function isEmptyFolder(target: ByteString): boolean {
  const stat = lstatSync(rawPath(target));
  return stat.isDirectory() && readdirSync(rawPath(target)).length === 0;
}

/** What cannot be put to this path, and why. */
export function targetProblem(error: unknown, target: string): unknown {
  const doing = `restore to ${target}`;
  const hint = "Name a folder that is not there yet, in one that is.";
  switch (systemCode(error)) {
    case "EEXIST":
      return new AppError("ALREADY_EXISTS", `${doing}: it is not empty`, { hint, cause: error });
    case "ENOENT":
    case "ENOTDIR":
      return new AppError("NOT_FOUND", `${doing}: there is no folder above it`, {
        hint,
        cause: error,
      });
    default:
      return translateDiskError(error, doing);
  }
}

async function finishAll(
  files: readonly FileFinish[],
  problems: string[],
  pool: Pool,
  run: Run,
): Promise<void> {
  // Folders have to be finished one after the other: what is inside changes their time.
  const isFolders = files[0]?.type === "dir";
  await inParallel(batches(files), isFolders ? 1 : pool.threads * 2, async (batch) => {
    run.signal.throwIfAborted();
    problems.push(...(await pool.run("finishFiles", { files: batch })).problems);
  });
}

function* batches(files: readonly FileFinish[]): Generator<FileFinish[]> {
  for (let at = 0; at < files.length; at += FINISH_AT_ONCE) {
    yield files.slice(at, at + FINISH_AT_ONCE);
  }
}

function finishOf(node: TreeNode, path: ByteString): FileFinish {
  return {
    path,
    type: node.type as FileFinish["type"],
    permissions: permissionsOf(node.mode),
    uid: node.uid,
    gid: node.gid,
    mtimeNs: parseTime(node.mtime) ?? 0n,
    atimeNs: parseTime(node.atime) ?? 0n,
    sizeBytes: node.sizeBytes,
    linkTarget: node.linkTarget,
  };
}
