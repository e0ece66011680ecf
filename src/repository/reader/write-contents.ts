import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { FileEdge } from "../workers/jobs.ts";
import type { Pool } from "../workers/pool.ts";
import { inSoundPieces, type Piece } from "./any-copy.ts";
import { type PackPart, planParts, type Wanted } from "./pack-parts.ts";
import { packParts, partsAtOnce } from "./with-part.ts";

export type WriteTools = {
  readonly core: Core;
  readonly index: BlobIndex;
  readonly run: Run;
  /** Whether large files go to the disk past the kernel's cache; see `openTarget`. */
  readonly pastCache: boolean;
};

/** So many edges are kept, each less than a block: those of about a gigabyte. */
const EDGES_MAX = 512;

/** Writes blobs to their places in files; `bytesTotal` is what all of them have together. */
export async function writeContents(
  wanted: readonly Wanted[],
  bytesTotal: number,
  pool: Pool,
  tools: WriteTools,
): Promise<void> {
  const { core, run } = tools;
  const write = partWriter(pool, tools);
  let edges: FileEdge[] = [];
  let bytesDone = 0;
  const parts = interleaved([...planParts(wanted)]);
  let started = 0;
  const untilEdgesAreMany = function* (): Generator<PackPart, void, undefined> {
    while (started < parts.length) {
      yield parts[started++]!;
      if (edges.length >= EDGES_MAX) return;
    }
  };
  while (started < parts.length) {
    await inParallel(untilEdgesAreMany(), partsAtOnce(core, pool.room), async (part) => {
      edges.push(...(await write(part)));
      bytesDone += part.plainBytes;
      run.report({ type: "progress", step: "restore", bytesDone, bytesTotal });
    });
    await pool.run("writeEdges", { edges });
    edges = [];
  }
}

/**
 * From the beginning and from the middle in turn: neighbouring parts mostly belong to one file, and
 * the kernel lets only one thread write to a file at a time.
 */
function interleaved<T>(all: readonly T[]): T[] {
  const half = Math.ceil(all.length / 2);
  return all.slice(0, half).flatMap((one, at) => [one, ...all.slice(half + at, half + at + 1)]);
}

/** Writes a part, and returns what is left of it; each blob from whichever copy of it is sound. */
function partWriter(
  pool: Pool,
  { core, index, run, pastCache }: WriteTools,
): (part: PackPart) => Promise<readonly FileEdge[]> {
  const withPart = packParts(core);
  const write = async ({ packId, range, blobs }: Piece): Promise<readonly FileEdge[]> => {
    run.signal.throwIfAborted();
    const { edges } = await withPart(packId, range, run, (part) =>
      pool.run("writeBlobs", { packId, part, blobs, pastCache }),
    );
    return edges;
  };
  return async (part) => (await inSoundPieces({ core, index }, part, write)).flat();
}
