import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import { FILES_AT_ONCE } from "../files.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "../format/snapshot.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { loadIndex, loadUsableIndex } from "../index/load-index.ts";
import type { Lock } from "../lock.ts";
import { openBlobReader } from "../reader/read-blob.ts";
import { openReadPool } from "../workers/pools.ts";
import { openBlobSink } from "../writer/blob-sink.ts";
import { copyBlobs } from "./copy-blobs.ts";
import { markUsed } from "./mark-used.ts";

export type CopyReport = { readonly copied: readonly string[]; readonly bytesAdded: number };

/**
 * Copies the snapshots with all they need, unless they are there already. Trees keep their bytes
 * even where another program wrote them differently. Both repositories have to be locked.
 */
export async function copySnapshots(
  from: Core,
  to: Core,
  snapshots: readonly Snapshot[],
  { run, confirm }: Lock,
): Promise<CopyReport> {
  const there = await copiesIn(to, run);
  const missing = snapshots.filter((snapshot) => !there.has(contentOf(snapshot)));
  const { index: targetIndex, isWhole } = await loadUsableIndex(to, run);
  const source: Source = { core: from, index: await loadIndex(from, run) };
  const target: Source = { core: to, index: targetIndex };
  const bytesAdded = await copyContent(source, target, missing, run);
  await confirm();
  for (const snapshot of missing) await saveCopy(to, snapshot, run);
  const copied = missing.map(({ id }) => id);
  if (isWhole) return { copied, bytesAdded };
  const healedBytes = await healCopies(source, target, snapshots, run);
  return { copied, bytesAdded: bytesAdded + healedBytes };
}

type Source = { readonly core: Core; readonly index: BlobIndex };

/** Copies what the snapshots need and the target has not; returns the bytes. CORRUPT. */
async function copyContent(
  { core: from, index }: Source,
  to: Source,
  snapshots: readonly Snapshot[],
  run: Run,
): Promise<number> {
  const [problem] = await markUsed(snapshots, index, openBlobReader(from, index, run), run);
  if (problem !== undefined) {
    throw new AppError("CORRUPT", `copy from ${from.backend.label}: ${problem}`, {
      hint: "Find the sound snapshots with lastgood check, and copy those.",
    });
  }
  const wanted = [...index.entries()]
    .filter(({ marked, entry }) => marked && !to.index.has(entry.id, entry.type))
    .map(({ entry }) => ({ id: entry.id, type: entry.type }));
  await using sink = openBlobSink(to.core, to.index, run);
  await using pool = openReadPool(from);
  await copyBlobs({ core: from, index, pool }, wanted, sink, run);
  await sink.finish();
  return sink.added.bytesPacked;
}

/** What the target has lost of snapshots that it has already comes again, as far as the source has it. */
async function healCopies(
  source: Source,
  target: Source,
  snapshots: readonly Snapshot[],
  run: Run,
): Promise<number> {
  try {
    return await copyContent(source, target, snapshots, run);
  } catch (error) {
    if (!hasCode(error, "CORRUPT")) throw error;
    const message = `${target.core.backend.label}: not all that it has lost came again: ${(error as Error).message}`;
    run.report({ type: "warning", message });
    return 0;
  }
}

async function saveCopy(to: Core, snapshot: Snapshot, run: Run): Promise<void> {
  const { id, original, parent: _, ...file } = snapshot;
  await to.files.save("snapshots", encodeSnapshot({ ...file, original: original ?? id }), run);
}

/** Two snapshots are the same when all but their ids and origins is: tags may have been added. */
function contentOf(snapshot: Snapshot): string {
  const tags = snapshot.tags?.toSorted();
  return encodeSnapshot({ ...snapshot, parent: undefined, original: undefined, tags });
}

async function copiesIn(core: Core, run: Run): Promise<Set<string>> {
  const known = new Set<string>();
  await inParallel(await core.files.ids("snapshots", run), FILES_AT_ONCE, async (id) => {
    try {
      known.add(contentOf(decodeSnapshot(await core.files.load("snapshots", id, run), id)));
    } catch (error) {
      // A damaged snapshot is not there.
      if (!hasCode(error, "CORRUPT")) throw error;
    }
  });
  return known;
}
