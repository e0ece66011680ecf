import assert from "node:assert/strict";
import type { Backend } from "../backends/backend.ts";
import { systemClock } from "../base/clock.ts";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { hostFacts } from "../base/host.ts";
import { damageInMemory, type DamageLedger } from "./damage.ts";
import type { KdfCost } from "./format/key-file.ts";
import { FILES_AT_ONCE } from "./files.ts";
import { decodeSnapshot, type Snapshot } from "./format/snapshot.ts";
import { parseTime } from "./format/go-time.ts";
import { loadUsableIndex } from "./index/load-index.ts";
import { sharedIndex } from "./index/shared-index.ts";
import { inParallel } from "../base/in-parallel.ts";
import { acquireLock, acquireReadLock, type LockLedger, noLedger } from "./lock.ts";
import { createCore, openCore, type OpenOptions } from "./open.ts";
import type { Core } from "./core.ts";
import { openReader, type Reader } from "./reader/reader.ts";
import { check, type CheckOptions, type CheckReport } from "./upkeep/check.ts";
import { copySnapshots, type CopyReport } from "./upkeep/copy.ts";
import { addKey, type KeyInfo, listKeys, removeKey } from "./upkeep/keys.ts";
import { prune, type PruneReport } from "./upkeep/prune.ts";
import { type IndexRepair, repairIndex } from "./upkeep/repair-index.ts";
import { openThreads } from "./workers/threads.ts";
import { openWriter, type Writer } from "./writer/writer.ts";

export { folderBackend } from "../backends/folder.ts";
export type { Backend } from "../backends/backend.ts";
export type { Run } from "../base/events.ts";
export { applyPolicy, type KeepPolicy } from "./retention.ts";
export type { Snapshot } from "./format/snapshot.ts";
export type { TreeNode } from "./format/tree.ts";
export type { DamageLedger } from "./damage.ts";
export type { LockLedger } from "./lock.ts";
export type { Entry, Reader } from "./reader/reader.ts";
export type { Restored } from "./reader/restore.ts";
export type { CheckOptions, CheckReport } from "./upkeep/check.ts";
export type { CopyReport } from "./upkeep/copy.ts";
export type { KeyInfo } from "./upkeep/keys.ts";
export type { PruneReport } from "./upkeep/prune.ts";
export type { FileMetadata, SnapshotFacts, TreeOptions, Writer } from "./writer/writer.ts";

/** A restic repository: snapshots of files, deduplicated, compressed, encrypted. */
export type Repository = {
  readonly id: string;
  readonly label: string;
  /** All snapshots, oldest first. One that is damaged is left out, with a warning. */
  snapshots(run: Run): Promise<Snapshot[]>;
  /** Those that are damaged: id and problem. They can be forgotten; a prune refuses until they are. */
  damagedSnapshots(run: Run): Promise<ReadonlyMap<string, string>>;
  /**
   * Has `work` put a snapshot together while the repository is locked for adding. Files that are
   * unchanged since `parent` are not read again.
   */
  write<T>(
    parent: Snapshot | undefined,
    run: Run,
    work: (writer: Writer, run: Run) => Promise<T>,
  ): Promise<T>;
  /** Has `work` read a snapshot while the repository is locked against removing. */
  read<T>(snapshot: Snapshot, run: Run, work: (reader: Reader, run: Run) => Promise<T>): Promise<T>;
  /** Removes snapshots; what only they needed is freed by `prune`. */
  forget(ids: readonly string[], run: Run): Promise<void>;
  prune(how: "do" | "plan", run: Run): Promise<PruneReport>;
  check(options: CheckOptions, run: Run): Promise<CheckReport>;
  /** Makes the index anew from the packs. */
  repairIndex(run: Run): Promise<IndexRepair>;
  /** Copies snapshots to another repository, except those that it has. */
  copyTo(target: Repository, ids: readonly string[], run: Run): Promise<CopyReport>;
  keys(run: Run): Promise<KeyInfo[]>;
  addKey(password: string, run: Run): Promise<string>;
  removeKey(idPrefix: string, run: Run): Promise<string>;
};

export type RepositoryOptions = {
  /** Given the id of a repository. */
  readonly ledger?: (repositoryId: string) => LockLedger;
  /** Without it damage is known as long as the repository is open. */
  readonly damage?: DamageLedger;
  /** Much will be read or written at once: threads start while the key is derived. */
  readonly isForWork?: boolean;
};

/** Makes an empty repository in an empty place. ALREADY_EXISTS. */
export async function createRepository(
  backend: Backend,
  password: string,
  options: { readonly cost?: KdfCost },
  run: Run,
): Promise<void> {
  const facts = { clock: systemClock, host: hostFacts() };
  await createCore(backend, password, { ...facts, ...options }, run);
}

/** NOT_FOUND, WRONG_KEY, CORRUPT, UNSUPPORTED. */
export async function openRepository(
  backend: Backend,
  password: string,
  options: RepositoryOptions,
  run: Run,
): Promise<Repository> {
  const core = await openCore(backend, password, defaults(options), run);
  const indexForReaders = sharedIndex(core);
  const known = new Map<string, Snapshot>();
  const repository: Repository = {
    id: core.config.id,
    label: backend.label,
    snapshots: (inner) => listSnapshots(core, known, warning(inner), inner),

    async damagedSnapshots(inner) {
      const damaged = new Map<string, string>();
      await listSnapshots(core, known, (id, { message }) => void damaged.set(id, message), inner);
      return damaged;
    },

    async write(parent, outer, work) {
      await using lock = await acquireLock(core, "shared", outer);
      const { index } = await loadUsableIndex(core, lock.run);
      await using writer = openWriter(core, index, parent, lock);
      return await work(writer, lock.run);
    },

    async read(snapshot, outer, work) {
      await using lock = await acquireReadLock(core, "shared", outer);
      const index = await indexForReaders(lock.run);
      return await work(openReader(core, index, snapshot, lock.run), lock.run);
    },

    async forget(ids, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      const there = new Set(await core.files.ids("snapshots", lock.run));
      const unknown = ids.find((id) => !there.has(id));
      if (unknown !== undefined) throw noSnapshot(unknown, core);
      for (const id of ids) await core.files.remove("snapshots", id, lock.run);
    },

    async prune(how, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      const snapshots = await listSnapshots(core, known, "refuse", lock.run);
      return await prune(core, snapshots, how, lock.run);
    },

    async check(how, outer) {
      await using lock = await acquireReadLock(core, "exclusive", outer);
      return await check(core, how, lock.run);
    },

    async repairIndex(outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      return await repairIndex(core, lock.run);
    },

    async copyTo(target, ids, outer) {
      const to = coreOf(target);
      await using own = await acquireReadLock(core, "shared", outer);
      await using other = await acquireLock(to, "shared", own.run);
      const snapshots = await listSnapshots(core, known, warning(other.run), other.run);
      const chosen = ids.map((id) => need(snapshots, id, core));
      return await copySnapshots(core, to, chosen, other);
    },

    keys: (inner) => listKeys(core, inner),

    async addKey(another, outer) {
      await using lock = await acquireLock(core, "shared", outer);
      return await addKey(core, another, lock.run);
    },

    async removeKey(idPrefix, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      return await removeKey(core, idPrefix, lock.run);
    },
  };
  CORES.set(repository, core);
  return repository;
}

/** What stands behind each opened repository, for work between two of them. */
const CORES = new WeakMap<Repository, Core>();

function coreOf(repository: Repository): Core {
  const core = CORES.get(repository);
  assert(core !== undefined, "this repository was not opened here");
  return core;
}

function defaults(options: RepositoryOptions): OpenOptions {
  const { ledger = noLedger, damage = damageInMemory(), isForWork = false } = options;
  const threads = openThreads();
  if (isForWork) threads.prepare();
  return { clock: systemClock, host: hostFacts(), ledger, damage, threads };
}

/** Hears of each snapshot that is damaged, which is left out: the others are still worth something. */
type OnDamaged = (id: string, error: AppError) => void;

function warning(run: Run): OnDamaged {
  return (_id, { message }) => run.report({ type: "warning", message });
}

/** "refuse": then CORRUPT, as who removes what no snapshot needs must know each of them. */
async function listSnapshots(
  core: Core,
  known: Map<string, Snapshot>,
  onDamaged: OnDamaged | "refuse",
  run: Run,
): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  const ids = await core.files.ids("snapshots", run);
  for (const gone of new Set(known.keys()).difference(new Set(ids))) known.delete(gone);
  await inParallel(ids, FILES_AT_ONCE, async (id) => {
    try {
      // Named by its content: what was read once never changes.
      const snapshot =
        known.get(id) ?? decodeSnapshot(await core.files.load("snapshots", id, run), id);
      known.set(id, snapshot);
      snapshots.push(snapshot);
    } catch (error) {
      if (onDamaged === "refuse") throw error;
      // Forgotten since the list was made.
      if (hasCode(error, "NOT_FOUND")) return;
      if (!hasCode(error, "CORRUPT")) throw error;
      onDamaged(id, error as AppError);
    }
  });
  return snapshots.toSorted(byTime);
}

function byTime(a: Snapshot, b: Snapshot): number {
  const [first = 0n, second = 0n] = [parseTime(a.time), parseTime(b.time)];
  return first < second ? -1 : first > second ? 1 : a.id < b.id ? -1 : 1;
}

function need(snapshots: readonly Snapshot[], id: string, core: Core): Snapshot {
  const found = snapshots.find((snapshot) => snapshot.id === id);
  if (found === undefined) throw noSnapshot(id, core);
  return found;
}

function noSnapshot(id: string, { backend }: Core): AppError {
  return new AppError(
    "NOT_FOUND",
    `find snapshot ${id.slice(0, 8)} in ${backend.label}: not there`,
  );
}
