import { rm } from "node:fs/promises";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { PACK_BYTES } from "../chunk-limits.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import { decodeIndex, encodeIndex } from "../format/index-file.ts";
import { packBytes } from "../format/pack-header.ts";
import type { Snapshot } from "../format/snapshot.ts";
import { createBlobIndex } from "../index/blob-index.ts";
import { loadIndex } from "../index/load-index.ts";
import { openBlobReader } from "../reader/read-blob.ts";
import { openReadPool } from "../workers/read-pool.ts";
import { openBlobSink } from "../writer/blob-sink.ts";
import { copyBlobs } from "./copy-blobs.ts";
import { markUsed } from "./mark-used.ts";
import { type PackUse, planPrune, type PrunePlan } from "./plan-prune.ts";

export type PruneReport = {
  readonly packsRemoved: number;
  readonly packsRepacked: number;
  readonly bytesFreed: number;
  /** What is still needed, and what could be freed but is not worth it. */
  readonly bytesUsed: number;
  readonly bytesUnused: number;
};

const UNUSED_SHARE_MAX = 0.05;

/**
 * Frees what no snapshot needs. Can end at any moment: new packs and indexes are there before old
 * ones go, so the worst that is left behind is something superfluous.
 *
 * The repository has to be locked for exclusive use. CORRUPT when something needed is missing.
 */
export async function prune(
  core: Core,
  snapshots: readonly Snapshot[],
  how: "do" | "plan",
  run: Run,
): Promise<PruneReport> {
  const index = await loadIndex(core, run);
  const problems = await markUsed(snapshots, index, openBlobReader(core, index, run), run);
  if (problems.length > 0) throw incomplete(core, problems);
  const plan = planPrune(index, {
    unusedShareMax: UNUSED_SHARE_MAX,
    packBytesMin: PACK_BYTES / 4,
    version: core.config.version,
  });
  const sizes = await listPacks(core, run);
  refuseDamaged([...plan.keep, ...plan.repack], sizes, core);
  const known = new Set([...plan.keep, ...plan.repack, ...plan.remove].map(({ id }) => id));
  const orphans = [...sizes.keys()].filter((id) => !known.has(id));
  if (how === "plan") return report(plan, orphans, sizes);
  const repack = await carryOut(core, plan, orphans, index, run);
  return report({ ...plan, repack }, orphans, sizes);
}

/** Returns the packs that were in fact written anew. */
async function carryOut(
  core: Core,
  { repack, remove }: PrunePlan,
  orphans: readonly string[],
  index: ReturnType<typeof createBlobIndex>,
  run: Run,
): Promise<PrunePlan["repack"]> {
  // What a crash left in the spool folder belongs to nobody while the lock is exclusive.
  await rm(core.backend.spoolFolder, { recursive: true, force: true });
  for (const id of orphans) await core.backend.remove(packKey(id), run);
  const written = await writeAnew(core, repack, index, run);
  const gone = new Set([...remove, ...written].map(({ id }) => id));
  await rewriteIndexes(core, gone, run);
  for (const id of gone) await core.backend.remove(packKey(id), run);
  return written;
}

/** Returns the packs whose needed blobs are in new ones: none when there is no room for that. */
async function writeAnew(
  core: Core,
  repack: PrunePlan["repack"],
  index: ReturnType<typeof createBlobIndex>,
  run: Run,
): Promise<PrunePlan["repack"]> {
  if (repack.length === 0) return [];
  try {
    await repackBlobs(core, repack, index, run);
    return repack;
  } catch (error) {
    if (!hasCode(error, "NO_SPACE")) throw error;
    // A full disk is why somebody prunes: what needs no room to be freed is freed all the same.
    const message = "no room to write packs anew; only those that nobody needs are removed";
    run.report({ type: "warning", message });
    return [];
  }
}

async function repackBlobs(
  core: Core,
  repack: readonly PackUse[],
  index: ReturnType<typeof createBlobIndex>,
  run: Run,
): Promise<void> {
  await using sink = openBlobSink(core, createBlobIndex(), run);
  const wanted = repack.flatMap(({ used }) => used.map(({ id, type }) => ({ id, type })));
  await using pool = openReadPool(core);
  await copyBlobs({ core, index, pool }, wanted, sink, run);
  await sink.finish();
}

/** Index files that name a pack which goes are replaced by ones that do not. */
async function rewriteIndexes(core: Core, gone: ReadonlySet<string>, run: Run): Promise<void> {
  if (gone.size === 0) return;
  for (const id of await core.files.ids("index", run)) {
    const packs = decodeIndex(await core.files.load("index", id, run), `index ${id.slice(0, 8)}`);
    const kept = packs.filter((pack) => !gone.has(pack.id));
    if (kept.length === packs.length) continue;
    if (kept.length > 0) await core.files.save("index", encodeIndex(kept), run);
    await core.files.remove("index", id, run);
  }
}

async function listPacks(core: Core, run: Run): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of core.backend.list("data/", run)) {
    sizes.set(key.slice(key.lastIndexOf("/") + 1), sizeBytes);
  }
  return sizes;
}

function refuseDamaged(
  needed: readonly PackUse[],
  sizes: ReadonlyMap<string, number>,
  core: Core,
): void {
  const wrong = needed.filter(({ id, sizeBytes }) => sizes.get(id) !== sizeBytes);
  if (wrong.length === 0) return;
  throw incomplete(
    core,
    wrong.map(({ id }) => `pack ${id.slice(0, 8)} is missing or has the wrong size`),
  );
}

function incomplete(core: Core, problems: readonly string[]): AppError {
  const [first = "", ...rest] = problems;
  const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
  return new AppError("CORRUPT", `prune ${core.backend.label}: ${first}${more}`, {
    hint: "Nothing was removed. See how far the damage goes: lastgood check --read-data.",
  });
}

function report(
  { keep, repack, remove }: PrunePlan,
  orphans: readonly string[],
  sizes: ReadonlyMap<string, number>,
): PruneReport {
  const sum = (packs: readonly PackUse[], what: (pack: PackUse) => number): number =>
    packs.reduce((total, pack) => total + what(pack), 0);
  const orphanBytes = orphans.reduce((total, id) => total + (sizes.get(id) ?? 0), 0);
  return {
    packsRemoved: remove.length + orphans.length,
    packsRepacked: repack.length,
    bytesFreed:
      orphanBytes +
      sum(remove, (pack) => pack.sizeBytes) +
      sum(repack, (pack) => pack.sizeBytes - packBytes(pack.used)),
    bytesUsed: sum([...keep, ...repack], (pack) => pack.usedBytes),
    bytesUnused: sum(keep, (pack) => pack.unusedBytes),
  };
}
