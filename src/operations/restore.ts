import { monotonicMs } from "../base/clock.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Outcome } from "../journal/journal.ts";
import { describeStep, planSwitches, type Plan, type Switch } from "../journal/plan.ts";
import { version, type Version } from "../slots/slot.ts";
import { performer, sampleChecks } from "./acts.ts";
import { carryOut } from "../journal/carry-out.ts";
import { type Component, type ComponentsConfig, settledConfig } from "./components.ts";
import { lockComponents } from "./operation-lock.ts";
import { pointSource } from "./point-source.ts";
import { type PointDescription, storePath } from "./points/point.ts";
import { makeParents } from "./points/parents.ts";
import { type Prepared, prepareRestore, type RestoreOptions } from "./prepare-restore.ts";
import { newOperationId, whoIs } from "./record.ts";
import { needSpace, type SpaceNeed } from "./space.ts";
import { refuseInterrupted } from "./unfinished.ts";
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
};

export type RestoreResult = {
  readonly outcome: Outcome;
  readonly stamp: string;
  /** The name under which what was live lies ready for `undo`. */
  readonly safetyPoint: string;
  readonly operation: string;
  readonly stale: readonly string[];
  readonly error: string | undefined;
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
  const plan = planFor(prepared, version("before-this"), version("rejected-this"));
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
    steps: plan.steps.map(describeStep),
    wayBack: plan.ways.flatMap(({ steps }) => steps.map(describeStep)),
    bytes: bytesOf(prepared),
    space: await spaceFor(prepared),
    loss,
    stale: prepared.stale,
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
  const prepared = await prepareRestore(system, named, options, run);
  refuseFull(await spaceFor(prepared));
  const { folders = {} } = prepared.description;
  for (const { store } of prepared.stores) await makeParents(store.livePath, folders);
  const operation = newOperationId(system);
  const displaced = version(`before-${operation}`);
  const plan = planFor(prepared, displaced, version(`rejected-${operation}`));
  const { point, stale, components } = prepared;
  const ended = await begin(system, operation, "restore", plan, components, options.reason, run);
  return {
    ...ended,
    stamp: point.stamp,
    safetyPoint: displaced,
    operation,
    stale,
    elapsedMs: monotonicMs() - started,
  };
}

/** Locks, records and carries out a plan on stores. */
export async function begin(
  system: System,
  operation: string,
  kind: string,
  plan: Plan,
  components: readonly Component[],
  reason: string,
  run: Run,
): Promise<{ outcome: Outcome; error: string | undefined }> {
  using _lock = lockComponents(
    system.paths.locks,
    components.map(({ name }) => name),
  );
  refuseInterrupted(system, components);
  // Whoever cannot be asked whether it lives must not be stopped.
  for (const { runner } of components) await runner?.isAlive(run);
  const baseline = await sampleChecks(components, run);
  const setup: OperationSetup = {
    // A link may lead elsewhere by the time that somebody recovers or undoes.
    components: Object.fromEntries(components.map((one) => [one.name, settledConfig(one)])),
    baseline,
  };
  system.journal.create({
    id: operation,
    kind,
    plan,
    setup,
    started: system.host.clock.now().toISOString(),
    who: whoIs(system),
    reason,
  });
  const executor = {
    journal: system.journal,
    perform: performer(components, pointSource(system), baseline),
    clock: system.host.clock,
  };
  const { outcome, error } = await carryOut(operation, executor, run);
  return { outcome, error: error === undefined ? undefined : (error as Error).message };
}

/** What the journal keeps so that `recover` needs no other file. */
export type OperationSetup = {
  readonly components: ComponentsConfig;
  readonly baseline: Awaited<ReturnType<typeof sampleChecks>>;
};

function planFor({ point, stores }: Prepared, displaced: Version, rejected: Version): Plan {
  return planSwitches(
    stores.map(({ store, component }): Switch => {
      const to = version(point.stamp);
      return { slot: store.name, component, to, displaced, rejected, ready: false };
    }),
  );
}

function bytesOf({ stores, description }: Prepared): number {
  return stores.reduce((sum, { store }) => sum + factBytes(description, store.name), 0);
}

function factBytes({ stores }: PointDescription, name: string): number {
  return stores[name]?.facts?.bytes ?? 0;
}

async function spaceFor({ stores, description }: Prepared): Promise<SpaceNeed[]> {
  return await needSpace(
    stores.map(({ store }) => ({
      path: store.livePath,
      bytes: factBytes(description, store.name),
      files: description.stores[store.name]?.facts?.files ?? 1,
    })),
  );
}

function refuseFull(space: readonly SpaceNeed[]): void {
  const full = space.find(({ enough }) => !enough);
  if (full === undefined) return;
  const { folder, bytesNeeded, bytesFree } = full;
  throw new AppError(
    "NO_SPACE",
    `restore to ${folder}: ${bytesNeeded} bytes needed, ${bytesFree} free`,
    {
      hint: "What is live stays beside it until it is confirmed. Free space, or end old ones: lastgood keep",
    },
  );
}
