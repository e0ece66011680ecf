import { hash } from "node:crypto";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { FILES_AT_ONCE, packIdOf } from "../files.ts";
import { decodeIndex } from "../format/index-file.ts";
import { type PackEntry, packBytes as packSize } from "../format/pack-header.ts";
import { decodeSnapshot, type Snapshot } from "../format/snapshot.ts";
import { type BlobIndex, createBlobIndex } from "../index/blob-index.ts";
import { inParallel, type Started, startedAhead } from "../../base/in-parallel.ts";
import { rememberDamage } from "../reader/any-copy.ts";
import { packParts, packsAtOnce, type WithPart } from "../reader/with-part.ts";
import { openBlobReader } from "../reader/read-blob.ts";
import type { Pool } from "../workers/pool.ts";
import { openReadPool } from "../workers/pools.ts";
import { markUsed } from "./mark-used.ts";

/** What a check found. Errors mean that something is lost or will be; hints are harmless. */
export type CheckReport = {
  readonly errors: readonly string[];
  readonly hints: readonly string[];
  readonly snapshots: number;
  readonly packs: number;
  /** Bytes of packs that were read and verified. */
  readonly bytesRead: number;
};

export type CheckOptions = {
  /** Which packs are read; n of t: those of a turn; or those that somebody chooses, by their sizes. */
  readonly readData:
    | "none"
    | "all"
    | { readonly part: number; readonly of: number }
    | { readonly choose: (bytes: ReadonlyMap<string, number>) => ReadonlySet<string> };
  /** Whether the index was just made anew from all packs: what is in none then cannot be read. */
  readonly isIndexNew?: boolean;
  /** Hears of each pack that was read and is sound. */
  readonly onSound?: (packId: string) => void;
};

/** Gives the same verdict as `restic check`, with the same meaning of error and hint. */
export async function check(core: Core, options: CheckOptions, run: Run): Promise<CheckReport> {
  const errors: string[] = [];
  const hints: string[] = [];
  const snapshots = await loadSnapshots(core, errors, run);
  const { index, packs } = await loadIndexFiles(core, errors, hints, run);
  const sizes = await comparePacks(core, packs, errors, hints, run);
  await checkKeys(core, errors, run);
  const missing = await markUsed(snapshots, index, openBlobReader(core, index, run), run);
  errors.push(...missing);
  const orphans = [...sizes.keys()].filter((id) => !packs.has(id));
  hints.push(...hintsOf(orphans, missing.length > 0, options.isIndexNew === true));
  const bytesRead = await readPacks(core, packs, sizes, options, errors, run);
  hints.push(...(await hintsOfDamage(core, sizes)));
  return { errors, hints, snapshots: snapshots.length, packs: packs.size, bytesRead };
}

async function loadSnapshots(core: Core, errors: string[], run: Run): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  for (const { item: id, result } of await filesOf(core, "snapshots", run)) {
    await collect(errors, async () => {
      snapshots.push(decodeSnapshot(await result, id));
    });
  }
  return snapshots;
}

async function loadIndexFiles(
  core: Core,
  errors: string[],
  hints: string[],
  run: Run,
): Promise<{ index: BlobIndex; packs: Map<string, readonly PackEntry[]> }> {
  const index = createBlobIndex();
  const packs = new Map<string, readonly PackEntry[]>();
  for (const { item: id, result } of await filesOf(core, "index", run)) {
    await collect(errors, async () => {
      for (const pack of decodeIndex(await result, `index ${id.slice(0, 8)}`)) {
        if (packs.has(pack.id)) hints.push(`pack ${pack.id.slice(0, 8)} stands in two indexes`);
        if (new Set(pack.blobs.map(({ type }) => type)).size > 1) {
          hints.push(`pack ${pack.id.slice(0, 8)} has trees and data in it`);
        }
        packs.set(pack.id, pack.blobs);
        for (const blob of pack.blobs) index.add(pack.id, blob);
      }
    });
  }
  return { index, packs };
}

/** In the same order each time: what is found, and of whom it is told, must not depend on the line. */
async function filesOf(
  core: Core,
  kind: "snapshots" | "index",
  run: Run,
): Promise<Iterable<Started<string, unknown>>> {
  const ids = (await core.files.ids(kind, run)).toSorted();
  return startedAhead(ids, FILES_AT_ONCE, (id) => core.files.load(kind, id, run));
}

async function comparePacks(
  core: Core,
  packs: ReadonlyMap<string, readonly PackEntry[]>,
  errors: string[],
  hints: string[],
  run: Run,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of core.backend.list("data/", run)) {
    const id = packIdOf(key);
    if (id === undefined) hints.push(`${key} is where no pack belongs`);
    else sizes.set(id, sizeBytes);
  }
  for (const [id, blobs] of packs) {
    const size = sizes.get(id);
    const expected = packSize(blobs);
    if (size === undefined) errors.push(`pack ${id.slice(0, 8)} is missing`);
    else if (size !== expected) {
      errors.push(`pack ${id.slice(0, 8)} has ${size} bytes, it should have ${expected}`);
    }
  }
  return sizes;
}

/** Of packs that no index names. Where something is missing, it may be in them. */
function hintsOf(orphans: readonly string[], isMissing: boolean, isIndexNew: boolean): string[] {
  if (isIndexNew) {
    return orphans.map(
      (id) =>
        `pack ${id.slice(0, 8)} is damaged where it says what is in it, and in no index: the next backup ` +
        "stores again what it had, as far as that is still there",
    );
  }
  if (orphans.length > 0 && isMissing) {
    return [
      `${orphans.length} packs are in no index and may have what is missing: ` +
        "lastgood check --repair-index makes the index again from all packs",
    ];
  }
  return orphans.map((id) => `pack ${id.slice(0, 8)} is in no index; prune removes it`);
}

/** Of what an earlier reading has found, whether or not this one has looked. Forgets packs that are gone. */
async function hintsOfDamage(
  { damage }: Core,
  sizes: ReadonlyMap<string, number>,
): Promise<string[]> {
  const known = await damage.known();
  for (const id of known) if (!sizes.has(id)) await damage.forget(id);
  return [...known.intersection(sizes)].map(
    (id) =>
      `pack ${id.slice(0, 8)} was damaged when it was read: the next backup or copy stores again what it ` +
      "had, as far as that is still there; prune removes it once no point needs what is lost",
  );
}

async function readPacks(
  core: Core,
  packs: ReadonlyMap<string, readonly PackEntry[]>,
  sizes: ReadonlyMap<string, number>,
  { readData, onSound }: CheckOptions,
  errors: string[],
  run: Run,
): Promise<number> {
  if (readData === "none") return 0;
  // One of the wrong size is damaged anyway, and may be larger than any memory.
  const whole = [...packs].filter(([id, blobs]) => sizes.get(id) === packSize(blobs));
  const isChosen = choiceOf(readData, new Map(whole.map(([id]) => [id, sizes.get(id)!])));
  const chosen = whole.filter(([id]) => isChosen(id));
  const bytesTotal = chosen.reduce((sum, [id]) => sum + sizes.get(id)!, 0);
  let bytesDone = 0;
  await using pool = openReadPool(core);
  const withPart = packParts(core);
  await inParallel(chosen, packsAtOnce(core, pool.threads), async ([packId, blobs]) => {
    run.signal.throwIfAborted();
    let problems: readonly string[] = [];
    // What a second reading does not show was the line or the memory, and is gone.
    for (let tries = 0; tries < 2; tries++) {
      problems = await readPack({ core, withPart, pool }, packId, blobs, run);
      if (problems.length === 0) break;
    }
    if (problems.length === 0) onSound?.(packId);
    if (problems.length === 0) await core.damage.forget(packId);
    errors.push(...problems.map((problem) => `pack ${packId.slice(0, 8)}: ${problem}`));
    bytesDone += sizes.get(packId)!;
    run.report({ type: "progress", step: "read", bytesDone, bytesTotal });
  });
  return bytesDone;
}

async function readPack(
  {
    core,
    withPart,
    pool,
  }: { readonly core: Core; readonly withPart: WithPart; readonly pool: Pool },
  packId: string,
  blobs: readonly PackEntry[],
  run: Run,
): Promise<readonly string[]> {
  const problems: string[] = [];
  await collect(problems, async () => {
    const range = { offsetBytes: 0, lengthBytes: packSize(blobs) };
    const found = await withPart(packId, range, run, (part) =>
      pool.run("checkPack", { packId, part, blobs }),
    );
    problems.push(...found.problems);
    // Only what was read says something of the pack: where it could not be had, the place was the matter.
    if (found.problems.length > 0) await rememberDamage(core, packId);
  });
  return problems;
}

/** Of several passwords one may be lost without the others showing it. */
async function checkKeys(core: Core, errors: string[], run: Run): Promise<void> {
  for await (const { key } of core.backend.list("keys/", run)) {
    await collect(errors, async () => {
      const bytes = await core.backend.get(key, "all", run);
      if (hash("sha256", bytes) !== key.slice("keys/".length)) errors.push(`${key} is damaged`);
    });
  }
}

function choiceOf(
  readData: Exclude<CheckOptions["readData"], "none">,
  bytes: ReadonlyMap<string, number>,
): (id: string) => boolean {
  if (readData === "all") return () => true;
  if ("choose" in readData) {
    const chosen = readData.choose(bytes);
    return (id) => chosen.has(id);
  }
  // As restic's --read-data-subset n/t: by the first byte of the id.
  const { part, of } = readData;
  return (id) => Number.parseInt(id.slice(0, 2), 16) % of === part - 1;
}

async function collect(errors: string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isFinding = (["CORRUPT", "NOT_FOUND", "UNAVAILABLE"] as const).some((code) =>
      hasCode(error, code),
    );
    if (!isFinding) throw error;
    errors.push((error as Error).message);
  }
}
