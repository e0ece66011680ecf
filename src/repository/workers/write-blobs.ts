import { CHUNK_BYTES_MAX } from "../chunk-limits.ts";
import type { ByteString } from "../format/go-string.ts";
import { plainBytesOf } from "../format/pack-header.ts";
import type { Desk } from "./desk.ts";
import type { FileEdge, Jobs } from "./jobs.ts";
import { layPart, longestOf, openBlob } from "./open-blobs.ts";
import { rawPath } from "./raw-path.ts";
import { createStretch, type OpenFiles } from "./stretch.ts";
import { openTarget, type TargetFile } from "./target-file.ts";
import { writeEdges } from "./write-edges.ts";

/** Each takes two descriptors, in each of two jobs a thread. */
const OPEN_FILES_MAX = 8;
/** No chunk is longer. What is, others have made: it is written from where it is opened, in half the memory. */
const GATHERED_BYTES_MAX = CHUNK_BYTES_MAX;

/**
 * So many edges a job leaves, each less than a block. One content may belong to thousands of files: then it
 * writes some itself, however long these wait.
 */
export const EDGES_LEFT_MAX = 256;

/** Puts blobs where they belong. Zeros are left out of new files, so that holes stay holes. */
export async function writeBlobs(
  { packId, part, blobs, pastCache }: Jobs["writeBlobs"]["in"],
  desk: Desk,
): Promise<Jobs["writeBlobs"]["out"]> {
  using files = openFiles(pastCache);
  using laid = layPart(part, longestOf(blobs), packId, desk);
  const stretch = createStretch(desk.memory, laid.end, files);
  for (const blob of blobs) {
    const isLong = plainBytesOf(blob) > GATHERED_BYTES_MAX;
    if (isLong) await stretch.flush();
    const [first, ...others] = blob.targets;
    const at = isLong ? undefined : await stretch.placeFor(first!.path, first!.offset);
    const plain = openBlob(laid, blob, packId, desk, at);
    if (isZero(plain)) {
      for (const { path } of blob.targets) files.open(path);
      continue;
    }
    const apart = isLong ? blob.targets : others;
    for (const { path, offset } of apart) await files.write(path, plain, offset);
    if (!isLong) stretch.add(plain.length);
  }
  await stretch.flush();
  return { edges: files.edges };
}

type TargetFiles = OpenFiles &
  Disposable & { open(path: ByteString): TargetFile; readonly edges: readonly FileEdge[] };

/** A few are kept open, since neighbouring blobs mostly belong to the same file. */
function openFiles(pastCache: boolean): TargetFiles {
  const open = new Map<ByteString, TargetFile>();
  const edges: FileEdge[] = [];
  const files: TargetFiles = {
    edges,
    async write(path, bytes, position) {
      const left = await files.open(path).write(bytes, position);
      edges.push(...left.map((edge) => ({ ...edge, path })));
      if (edges.length > EDGES_LEFT_MAX) writeEdges({ edges: edges.splice(0) });
    },
    open(path) {
      const known = open.get(path);
      if (known !== undefined) return known;
      if (open.size === OPEN_FILES_MAX) {
        const [oldest, file] = open.entries().next().value!;
        open.delete(oldest);
        file[Symbol.dispose]();
      }
      const file = openTarget(rawPath(path), pastCache);
      open.set(path, file);
      return file;
    },
    [Symbol.dispose]() {
      for (const file of open.values()) file[Symbol.dispose]();
    },
  };
  return files;
}

const ZEROS = Buffer.alloc(64 * 1024);

function isZero(plain: Uint8Array): boolean {
  if (plain[0] !== 0 || plain.at(-1) !== 0) return false;
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(bytes.length, at + ZEROS.length);
    if (bytes.compare(ZEROS, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}
