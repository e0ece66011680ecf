import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import { FILES_AT_ONCE } from "../files.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "../format/snapshot.ts";
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
  const sourceIndex = await loadIndex(from, run);
  const problems = await markUsed(
    missing,
    sourceIndex,
    openBlobReader(from, sourceIndex, run),
    run,
  );
  if (problems.length > 0) {
    throw new AppError("CORRUPT", `copy from ${from.backend.label}: ${problems[0]}`, {
      hint: "Find the sound snapshots with lastgood check, and copy those.",
    });
  }
  const targetIndex = await loadUsableIndex(to, run);
  const wanted = [...sourceIndex.entries()]
    .filter(({ marked, entry }) => marked && !targetIndex.has(entry.id, entry.type))
    .map(({ entry }) => ({ id: entry.id, type: entry.type }));
  await using sink = openBlobSink(to, targetIndex, run);
  await using pool = openReadPool(from);
  await copyBlobs({ core: from, index: sourceIndex, pool }, wanted, sink, run);
  await sink.finish();
  await confirm();
  for (const snapshot of missing) await saveCopy(to, snapshot, run);
  return { copied: missing.map(({ id }) => id), bytesAdded: sink.added.bytesPacked };
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
