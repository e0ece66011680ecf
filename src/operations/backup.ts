import type { Run } from "../base/events.ts";
import { monotonicMs } from "../base/clock.ts";
import type { Writer } from "../repository/repository.ts";
import type { Captured } from "../stores/store.ts";
import { saveGivenUp } from "./given-up.ts";
import { removeLeftDrill } from "./drill/left.ts";
import { exportPoint } from "./export.ts";
import { recordHeld, releaseAbandoned } from "./held.ts";
import { lockComponents } from "./operation-lock.ts";
import type { OpenStore } from "./components.ts";
import { recorded } from "./record.ts";
import { listPoints, rememberPoints } from "./points/catalogue.ts";
import { removeLeftProofs } from "./prove.ts";
import { nextStamp, type Consistency, pointsAmong, storePath } from "./points/point.ts";
import {
  captureStore,
  type CapturedStore,
  commitPoint,
  momentNow,
  parentFor,
} from "./points/write-point.ts";
import { refuseInterrupted } from "./unfinished.ts";
import { type Selection, selectStores, type System } from "./system.ts";

export type BackupOptions = Selection & {
  /** Stores that are taken on request only. */
  readonly include: readonly string[];
  readonly reason: string;
};

export type BackupResult = {
  readonly stamp: string;
  readonly snapshot: string;
  readonly valid: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly skewMs: number;
  readonly consistency: Consistency;
  readonly bytesAdded: number;
  readonly bytesTotal: number;
  readonly elapsedMs: number;
};

/**
 * Takes a recovery point of the system and validates it. One that cannot be restored from is kept,
 * marked invalid, and never offered for a restore: the result says so, it is no exception.
 */
export async function backup(
  system: System,
  options: BackupOptions,
  run: Run,
): Promise<BackupResult> {
  system.expectWork();
  return await recorded(
    system,
    "backup",
    options.reason,
    run,
    async () => {
      const value = await takePoint(system, options, run);
      return { value, error: value.valid ? undefined : value.errors.join(", ") };
    },
    { of: chooseStores(system, options).map(({ store }) => store.name), depth: 0 },
  );
}

async function takePoint(system: System, options: BackupOptions, run: Run): Promise<BackupResult> {
  const started = monotonicMs();
  await saveGivenUp(system, run);
  using _lock = lockComponents(
    system.paths.locks,
    system.components.map(({ name }) => name),
  );
  await releaseAbandoned(system, run);
  await removeLeftDrill(system);
  await removeLeftProofs(system, run);
  refuseInterrupted(system, system.components);
  const stores = inOrder(chooseStores(system, options));
  const repository = await system.repository(run);
  const points = await listPoints(system, run);
  const { stamp, time } = nextStamp(system.host.clock.now(), points);
  const parent = parentFor(stores, points);
  const named = { stamp, time, reason: options.reason };

  const { description, snapshot, added } = await repository.write(
    parent,
    run,
    async (writer, inner) => {
      const captured: CapturedStore[] = [];
      for (const open of stores) captured.push(await captureLive(system, open, writer, inner));
      const moment = await momentNow(system, stores, writer, inner);
      return await commitPoint(system, stores, captured, named, moment, writer);
    },
  );

  const { valid, errors, warnings, consistency, skewMs } = description;
  await rememberPoints(system, [...points, ...pointsAmong([snapshot])]);
  const exported = valid ? await exportOrWarn(system, stamp, run) : [];
  return {
    stamp,
    snapshot: snapshot.id,
    valid,
    errors,
    warnings: [...warnings, ...exported],
    skewMs,
    consistency,
    bytesAdded: added.bytesPacked,
    bytesTotal: Object.values(description.stores).reduce(
      (sum, s) => sum + (s.facts?.bytes ?? 0),
      0,
    ),
    elapsedMs: monotonicMs() - started,
  };
}

async function captureLive(
  system: System,
  open: OpenStore,
  writer: Writer,
  run: Run,
): Promise<CapturedStore> {
  const { store } = open;
  const capture = (): Promise<Captured> => store.capture(writer, storePath(store.name), run);
  return await captureStore(system, open, () => recordHeld(system, open, capture, run), run);
}

/** The point is there whether or not a copy for other programs could be made of it. */
async function exportOrWarn(system: System, stamp: string, run: Run): Promise<string[]> {
  try {
    await exportPoint(system, stamp, run);
    return [];
  } catch (error) {
    run.signal.throwIfAborted();
    return [`export: ${(error as Error).message}`];
  }
}

function chooseStores(system: System, { include, ...selection }: BackupOptions): OpenStore[] {
  const named = include.flatMap((store) => selectStores(system, { store }));
  const always = selectStores(system, selection).filter(
    ({ config }) => config.include === "always" || selection.store !== undefined,
  );
  return [...new Set([...always, ...named])];
}

/** Rows before what refers to them: something extra is an orphan, something missing an error. */
function inOrder(stores: readonly OpenStore[]): OpenStore[] {
  const isDerived = ({ config }: OpenStore): boolean => config["derived-from"] !== undefined;
  return [...stores.filter((s) => !isDerived(s)), ...stores.filter(isDerived)];
}
