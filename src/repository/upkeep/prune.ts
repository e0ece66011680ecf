import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { AppError, hasCode } from "../../base/errors.ts";
import { TEMPORARY_PREFIX } from "../../base/fs.ts";
import type { Run } from "../../base/events.ts";
import { PACK_BYTES } from "../chunk-limits.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import { decodeIndex, encodeIndex } from "../format/index-file.ts";
import { packBytes } from "../format/pack-header.ts";
import type { Snapshot } from "../format/snapshot.ts";
import { type BlobIndex, createBlobIndex } from "../index/blob-index.ts";
import { loadIndexAndPacks } from "../index/load-index.ts";
import { type BlobReader, openBlobReader } from "../reader/read-blob.ts";
import { openReadPool } from "../workers/pools.ts";
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
  // What is missing or cut off is no copy; where there is none but that, something is missing.
  const { index, sizes, named, unusable } = await loadIndexAndPacks(core, run);
  const blobs = openBlobReader(core, index, run);
  const problems = await markUsed(snapshots, index, blobs, run);
  const damaged = await core.damage.known();
  // Of two copies the sound one has to stay, so each that is there twice is opened; and where the pack of
  // one is damaged elsewhere the other, so that this pack can go.
  for (const { id, type } of index.duplicates()) {
    run.signal.throwIfAborted();
    const other = index.findAll(id, type).find(({ packId }) => !damaged.has(packId));
    if (other !== undefined) index.prefer(id, type, other);
    await blobs.blob(id, type).catch((error: unknown) => {
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "NOT_FOUND")) throw error;
      problems.push((error as Error).message);
    });
  }
  if (problems.length > 0) throw incomplete(core, problems);
  const plan = planPrune(index, {
    unusedShareMax: UNUSED_SHARE_MAX,
    packBytesMin: PACK_BYTES / 4,
    version: core.config.version,
    damaged: await judgeDamaged(damaged, index, blobs, run),
  });
  const orphans = [...sizes.keys()].filter((id) => !named.has(id));
  if (how === "plan") return report(plan, orphans, sizes);
  const repack = await carryOut(core, plan, { orphans, unusable }, index, run);
  await keepLonger(core, run);
  return report({ ...plan, repack }, orphans, sizes);
}

/** Whether what is needed of each damaged pack can be read. */
async function judgeDamaged(
  damaged: ReadonlySet<string>,
  index: BlobIndex,
  blobs: BlobReader,
  run: Run,
): Promise<ReadonlyMap<string, "readable" | "lost">> {
  const judged = new Map([...damaged].map((id): [string, "readable" | "lost"] => [id, "readable"]));
  for (const { packId, entry, marked } of index.entries()) {
    if (!marked || judged.get(packId) !== "readable") continue;
    run.signal.throwIfAborted();
    await blobs.blob(entry.id, entry.type).catch((error: unknown) => {
      if (!hasCode(error, "CORRUPT")) throw error;
      judged.set(packId, "lost");
    });
  }
  return judged;
}

const LOCKED_AT_ONCE = 16;

/** What is there still is needed: where objects are locked, their locks must not run out. */
async function keepLonger({ backend }: Core, run: Run): Promise<void> {
  const { keepLonger: extend } = backend;
  if (extend === undefined) return;
  await inParallel(backend.list("", run), LOCKED_AT_ONCE, async ({ key }) => {
    if (!key.startsWith("locks/")) await extend(key, run);
  });
}

/** Returns the packs that were in fact written anew. */
async function carryOut(
  core: Core,
  { repack, remove }: PrunePlan,
  { orphans, unusable }: { orphans: readonly string[]; unusable: ReadonlySet<string> },
  index: ReturnType<typeof createBlobIndex>,
  run: Run,
): Promise<PrunePlan["repack"]> {
  await removeLeftovers(core.backend.spoolFolder);
  for (const id of orphans) await core.backend.remove(packKey(id), run);
  const written = await writeAnew(core, repack, index, run);
  const gone = new Set([...unusable, ...[...remove, ...written].map(({ id }) => id)]);
  await rewriteIndexes(core, gone, run);
  for (const id of gone) await core.backend.remove(packKey(id), run);
  for (const id of gone) await core.damage.forget(id);
  return written;
}

/** Whoever is about to write a lock has a small file there for a moment. */
const LEFTOVER_MS = 10 * 60_000;

/** The folder of a writer. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * What a crash left in the spool folder: while the lock is exclusive, no writer's is in use. Only what
 * bears a name of ours: others may have their own things there.
 */
async function removeLeftovers(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const isOurs = entry.isDirectory()
      ? UUID.test(entry.name)
      : entry.name.startsWith(TEMPORARY_PREFIX);
    if (!isOurs) continue;
    const file = path.join(folder, entry.name);
    const { mtimeMs = 0 } = (await stat(file).catch(() => undefined)) ?? {};
    const isOld = performance.timeOrigin + performance.now() - mtimeMs > LEFTOVER_MS;
    if (entry.isDirectory() || isOld) await rm(file, { recursive: true, force: true });
  }
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

function incomplete(core: Core, problems: readonly string[]): AppError {
  const [first = "", ...rest] = problems;
  const more = rest.length === 0 ? "" : ` (and ${rest.length} more)`;
  return new AppError("CORRUPT", `prune ${core.backend.label}: ${first}${more}`, {
    hint: "Nothing was removed. See how far the damage goes: lastgood check --read-data. Points that have lost something are in the way: lastgood forget STAMP",
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
