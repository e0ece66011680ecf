import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Outcome } from "../journal/journal.ts";
import { describeStep, type Plan } from "../journal/plan.ts";
import { planChange, type StoreSwitch } from "../journal/plan-change.ts";
import { version } from "../slots/slot.ts";
import { isFileStore, livePathsOf } from "../stores/store.ts";
import { saveGivenUp } from "./given-up.ts";
import { begin } from "./begin.ts";
import { type PointDescription, storePath } from "./points/point.ts";
import { makeParents } from "./points/parents.ts";
import { type Prepared, prepareRestore, type RestoreOptions } from "./prepare-restore.ts";
import { newOperationId } from "./record.ts";
import { withDependents } from "./releases/target-of.ts";
import { needSpace, roomInWords, type SpaceNeed } from "./space.ts";
import type { System } from "./system.ts";

/** What a restore will do, for people to decide on. */
export type RestorePreview = {
  readonly stamp: string;
  readonly steps: readonly string[];
  readonly wayBack: readonly string[];
  readonly bytes: number;
  readonly space: readonly SpaceNeed[];
  /** What is live now and will not be afterwards, by store. */
  readonly loss: Readonly<Record<string, readonly string[]>>;
  /** Stores that the point has nothing of: they stay as they are, and may no longer fit. */
  readonly stale: readonly string[];
  readonly rebuilds: readonly Rebuilding[];
};

/** A store that a point has nothing of, and how it is made anew. */
export type Rebuilding = {
  readonly store: string;
  readonly command: readonly string[];
  readonly costs: string;
};

export type RestoreResult = {
  readonly outcome: Outcome;
  readonly stamp: string;
  /** The name under which what was live lies ready for `undo`. */
  readonly safetyPoint: string;
  readonly operation: string;
  readonly stale: readonly string[];
  readonly error: string | undefined;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  /** Components that do not run now; see `Begun`. */
  readonly leftStopped: readonly string[];
  readonly elapsedMs: number;
};

/** Plans a restore and changes nothing. */
export async function previewRestore(
  system: System,
  named: string,
  options: RestoreOptions,
  run: Run,
): Promise<RestorePreview> {
  const prepared = await prepareRestore(system, named, options, run);
  const names = { displaced: version("before-this"), rejected: version("rejected-this") };
  const plan = planFor(system, prepared, { ...names, down: [] });
  const repository = await system.repository(run);
  const loss = await repository.read(prepared.point.snapshot, run, async (reader, inner) => {
    const found: Record<string, readonly string[]> = {};
    for (const { store } of prepared.stores) {
      const { facts } = prepared.description.stores[store.name]!;
      found[store.name] = await store.loss(reader, storePath(store.name), facts, inner);
    }
    return found;
  });
  return {
    stamp: prepared.point.stamp,
    steps: [...plan.steps, ...(plan.cleanup ?? [])].map(describeStep),
    wayBack: plan.ways.flatMap(({ steps }) => steps.map(describeStep)),
    bytes: bytesOf(prepared),
    space: await spaceFor(prepared),
    loss,
    stale: prepared.stale,
    rebuilds: prepared.rebuilds.map(({ store, config }) => {
      const { command, costs } = config.rebuild!;
      return { store: store.name, command, costs };
    }),
  };
}

/**
 * Brings stores back to a recovery point. Whatever goes wrong once the journal is open ends with
 * the data that was live, and is told by the outcome; before that it throws and nothing happened.
 */
export async function restore(
  system: System,
  named: string,
  options: RestoreOptions,
  run: Run,
): Promise<RestoreResult> {
  const started = monotonicMs();
  system.expectWork();
  const prepared = await prepareRestore(system, named, options, run);
  refuseFull(await spaceFor(prepared));
  const { folders = {} } = prepared.description;
  for (const file of livePathsOf(prepared.stores)) await makeParents(file, folders);
  const operation = newOperationId(system);
  const displaced = version(`before-${operation}`);
  const rejected = version(`rejected-${operation}`);
  const { point, stale, components } = prepared;
  const rebuilt = new Set<string>();
  const heard: Run = {
    ...run,
    report(event) {
      if (event.type === "step.finished" && event.act === "rebuilt") rebuilt.add(event.of ?? "");
      run.report(event);
    },
  };
  const ended = await begin(
    system,
    {
      id: operation,
      kind: "restore",
      plan: async (down) => planFor(system, prepared, { displaced, rejected, down }),
      components: withDependents(system, components),
      reason: options.reason,
      ifUnwell: "go on",
    },
    heard,
  );
  const elapsedMs = monotonicMs() - started;
  await saveGivenUp(system, run);
  return {
    ...ended,
    stamp: point.stamp,
    safetyPoint: displaced,
    operation,
    stale: stale.filter((name) => !rebuilt.has(name)),
    elapsedMs,
  };
}

function planFor(
  system: System,
  { point, stores, components, rebuilds }: Prepared,
  {
    displaced,
    rejected,
    down,
  }: Pick<StoreSwitch, "displaced" | "rejected"> & { readonly down: readonly string[] },
): Plan {
  return planChange({
    stores: stores.map(({ store, component }): StoreSwitch => {
      const to = version(point.stamp);
      return { slot: store.name, component, to, displaced, rejected, ready: false };
    }),
    components: withDependents(system, components).map(({ name }) => name),
    down,
    rebuilds: rebuilds.map(({ store, component }) => ({ slot: store.name, component })),
  });
}

function bytesOf({ stores, description }: Prepared): number {
  return stores.reduce((sum, { store }) => sum + factBytes(description, store.name), 0);
}

function factBytes({ stores }: PointDescription, name: string): number {
  return stores[name]?.facts?.bytes ?? 0;
}

async function spaceFor({ stores, description }: Prepared): Promise<SpaceNeed[]> {
  // How much room a server has only the server knows.
  const local = stores.map(({ store }) => store).filter(isFileStore);
  return await needSpace(
    local.map(({ name, livePath }) => ({
      path: livePath,
      bytes: factBytes(description, name),
      files: description.stores[name]?.facts?.files ?? 1,
    })),
  );
}

function refuseFull(space: readonly SpaceNeed[]): void {
  const full = space.find(({ enough }) => !enough);
  if (full === undefined) return;
  const { folder } = full;
  throw new AppError("NO_SPACE", `restore to ${folder}: ${roomInWords(full)}`, {
    hint: "What is live stays beside it until it is confirmed. Free space, or end old ones: lastgood keep",
  });
}
