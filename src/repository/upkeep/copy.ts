import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { encodeSnapshot, type Snapshot } from "../format/snapshot.ts";
import { loadIndex } from "../index/load-index.ts";
import { openBlobReader } from "../reader/read-blob.ts";
import { openReadPool } from "../workers/read-pool.ts";
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
  run: Run,
): Promise<CopyReport> {
  const there = await originalsIn(to, run);
  const missing = snapshots.filter(
    ({ id, original }) => !there.has(original ?? id) && !there.has(id),
  );
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
  const targetIndex = await loadIndex(to, run);
  const wanted = [...sourceIndex.entries()]
    .filter(({ marked, entry }) => marked && !targetIndex.has(entry.id, entry.type))
    .map(({ entry }) => ({ id: entry.id, type: entry.type }));
  await using sink = openBlobSink(to, targetIndex, run);
  await using pool = openReadPool(from);
  await copyBlobs({ core: from, index: sourceIndex, pool }, wanted, sink, run);
  await sink.finish();
  for (const snapshot of missing) await saveCopy(to, snapshot, run);
  return { copied: missing.map(({ id }) => id), bytesAdded: sink.added.bytesPacked };
}

async function saveCopy(to: Core, snapshot: Snapshot, run: Run): Promise<void> {
  const { id, original, parent: _, ...file } = snapshot;
  await to.files.save("snapshots", encodeSnapshot({ ...file, original: original ?? id }), run);
}

/** Under which ids, here or where they came from, snapshots are known in this repository. */
async function originalsIn(core: Core, run: Run): Promise<Set<string>> {
  const known = new Set<string>();
  for (const id of await core.files.ids("snapshots", run)) {
    known.add(id);
    try {
      const { original } = (await core.files.load("snapshots", id, run)) as Snapshot;
      if (original !== undefined) known.add(original);
    } catch (error) {
      // A damaged snapshot is not there.
      if (!hasCode(error, "CORRUPT")) throw error;
    }
  }
  return known;
}
