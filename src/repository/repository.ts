import assert from "node:assert/strict";
import type { Backend } from "../backends/backend.ts";
import { systemClock } from "../base/clock.ts";
import type { Run } from "../base/events.ts";
import { hostFacts } from "../base/host.ts";
import type { KdfCost } from "./format/key-file.ts";
import { decodeSnapshot, type Snapshot } from "./format/snapshot.ts";
import { loadIndex } from "./index/load-index.ts";
import { inParallel } from "./in-parallel.ts";
import { acquireLock, type LockLedger, noLedger } from "./lock.ts";
import { createCore, openCore } from "./open.ts";
import type { Core } from "./core.ts";
import { openReader, type Reader } from "./reader/reader.ts";
import { check, type CheckOptions, type CheckReport } from "./upkeep/check.ts";
import { copySnapshots, type CopyReport } from "./upkeep/copy.ts";
import { addKey, type KeyInfo, listKeys, removeKey } from "./upkeep/keys.ts";
import { prune, type PruneReport } from "./upkeep/prune.ts";
import { type IndexRepair, repairIndex } from "./upkeep/repair-index.ts";
import { openWriter, type Writer } from "./writer/writer.ts";

export { folderBackend } from "../backends/folder.ts";
export type { Backend } from "../backends/backend.ts";
export type { Run } from "../base/events.ts";
export { applyPolicy, type KeepPolicy } from "./retention.ts";
export type { Snapshot } from "./format/snapshot.ts";
export type { TreeNode } from "./format/tree.ts";
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
  /** All snapshots, oldest first. */
  snapshots(run: Run): Promise<Snapshot[]>;
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
  readonly ledger?: LockLedger;
};

const SNAPSHOTS_AT_ONCE = 8;

/** Makes an empty repository in an empty place. ALREADY_EXISTS. */
export async function createRepository(
  backend: Backend,
  password: string,
  options: { readonly cost?: KdfCost },
  run: Run,
): Promise<void> {
  await createCore(backend, password, { ...defaults({}), ...options }, run);
}

/** NOT_FOUND, WRONG_KEY, CORRUPT, UNSUPPORTED. */
export async function openRepository(
  backend: Backend,
  password: string,
  options: RepositoryOptions,
  run: Run,
): Promise<Repository> {
  const core = await openCore(backend, password, defaults(options), run);
  const repository: Repository = {
    id: core.config.id,
    label: backend.label,
    snapshots: (inner) => listSnapshots(core, inner),

    async write(parent, outer, work) {
      await using lock = await acquireLock(core, "shared", outer);
      const index = await loadIndex(core, lock.run);
      await using writer = openWriter(core, index, parent, lock.run);
      return await work(writer, lock.run);
    },

    async read(snapshot, outer, work) {
      await using lock = await acquireLock(core, "shared", outer);
      const index = await loadIndex(core, lock.run);
      return await work(openReader(core, index, snapshot, lock.run), lock.run);
    },

    async forget(ids, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      for (const id of ids) await core.files.remove("snapshots", id, lock.run);
    },

    async prune(how, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      return await prune(core, await listSnapshots(core, lock.run), how, lock.run);
    },

    async check(how, outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      return await check(core, how, lock.run);
    },

    async repairIndex(outer) {
      await using lock = await acquireLock(core, "exclusive", outer);
      return await repairIndex(core, lock.run);
    },

    async copyTo(target, ids, outer) {
      const to = coreOf(target);
      await using own = await acquireLock(core, "shared", outer);
      await using other = await acquireLock(to, "shared", own.run);
      const wanted = new Set(ids);
      const snapshots = await listSnapshots(core, other.run);
      const chosen = snapshots.filter(({ id }) => wanted.has(id));
      return await copySnapshots(core, to, chosen, other.run);
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

function defaults({ ledger = noLedger }: RepositoryOptions): {
  clock: typeof systemClock;
  host: ReturnType<typeof hostFacts>;
  ledger: LockLedger;
} {
  return { clock: systemClock, host: hostFacts(), ledger };
}

async function listSnapshots(core: Core, run: Run): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  await inParallel(await core.files.ids("snapshots", run), SNAPSHOTS_AT_ONCE, async (id) => {
    snapshots.push(decodeSnapshot(await core.files.load("snapshots", id, run), id));
  });
  return snapshots.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
}
