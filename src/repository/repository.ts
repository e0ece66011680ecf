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
import { openWriter, type Writer } from "./writer/writer.ts";

export type { Snapshot } from "./format/snapshot.ts";
export type { SnapshotFacts, Writer } from "./writer/writer.ts";

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
  return {
    id: core.config.id,
    label: backend.label,
    snapshots: (inner) => listSnapshots(core, inner),
    async write(parent, outer, work) {
      await using lock = await acquireLock(core, "shared", outer);
      const index = await loadIndex(core, lock.run);
      await using writer = openWriter(core, index, parent, lock.run);
      return await work(writer, lock.run);
    },
  };
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
