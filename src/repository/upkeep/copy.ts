import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import { FILES_AT_ONCE, HINT_CHECK } from "../files.ts";
import type { BlobType } from "../format/pack-header.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "../format/snapshot.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import { loadIndex, loadUsableIndex } from "../index/load-index.ts";
import type { Lock } from "../lock.ts";
import { openBlobReader } from "../reader/read-blob.ts";
import { openReadPool } from "../workers/pools.ts";
import { openBlobSink } from "../writer/blob-sink.ts";
import { copyBlobs } from "./copy-blobs.ts";
import { lossesOf, markUsed, type Places } from "./mark-used.ts";

export type CopyReport = {
  readonly copied: readonly string[];
  /** Of which something is lost in both places, and what: left out, unless they were there before. */
  readonly damaged: readonly {
    readonly id: string;
    readonly problem: string;
    readonly wasThere: boolean;
  }[];
  readonly bytesAdded: number;
};

/**
 * Copies the snapshots with all they need, unless they are there already, and what the target has lost of those that
 * are. Trees keep their bytes even where another program wrote them differently. One that is damaged keeps no
 * other from being copied. Both repositories have to be locked.
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
  const index = await loadIndex(from, run);
  const blobs = openBlobReader(from, index, run);
  const target = { core: to, index: targetIndex };
  const needed = isWhole ? missing : snapshots;
  const problems = await markUsed(needed, index, blobs, run);
  const lost = new Set<string>();
  const bytesAdded = await copyContent({ core: from, index }, target, lost, run);
  const isAllThere = problems.length === 0 && lost.size === 0;
  const places = placesAfter({ core: from, index }, target, run);
  const losses = isAllThere ? new Map<string, string>() : await lossesOf(needed, places, run);
  await confirm();
  const copied: string[] = [];
  for (const snapshot of missing) {
    if (losses.has(snapshot.id)) continue;
    await saveCopy(to, snapshot, run);
    copied.push(snapshot.id);
  }
  const ids = new Set(missing.map(({ id }) => id));
  const damaged = [...losses].map(([id, problem]) => ({ id, problem, wasThere: !ids.has(id) }));
  return { copied, damaged, bytesAdded };
}

/** What the target has, now that all that could be read is copied; trees can be read in either place. */
function placesAfter(from: Source, to: Source, run: Run): Places {
  const [first, second] = [from, to].map(({ core, index }) => openBlobReader(core, index, run));
  const isInSource = (id: string, type: BlobType): boolean =>
    from.index.find(id, type) !== undefined;
  return {
    hasChunk: (id) => to.index.has(id, "data"),
    plainLength: (id, type) => (isInSource(id, type) ? from : to).index.plainLength(id, type),
    async tree(id) {
      if (!to.index.has(id, "tree")) {
        const problem = `tree ${id.slice(0, 8)} is missing or damaged`;
        throw new AppError("CORRUPT", problem, { hint: HINT_CHECK });
      }
      return await first!.tree(id).catch((error: unknown) => {
        if (!hasCode(error, "CORRUPT")) throw error;
        return second!.tree(id);
      });
    },
  };
}

type Source = { readonly core: Core; readonly index: BlobIndex };

/** Copies what is marked and the target has not; returns the bytes. What cannot be read is put into `lost`. */
async function copyContent(from: Source, to: Source, lost: Set<string>, run: Run): Promise<number> {
  const wanted = [...from.index.entries()]
    .filter(({ marked, entry }) => marked && !to.index.has(entry.id, entry.type))
    .map(({ entry }) => ({ id: entry.id, type: entry.type }));
  await using sink = openBlobSink(to.core, to.index, run);
  await using pool = openReadPool(from.core);
  await copyBlobs({ ...from, pool }, wanted, sink, run, (id) => void lost.add(id));
  await sink.finish();
  return sink.added.bytesPacked;
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
