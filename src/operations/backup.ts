import type { Run } from "../base/events.ts";
import { statSync } from "node:fs";
import { realPath } from "../base/real-path.ts";
import { monotonicMs } from "../base/clock.ts";
import { type Target, versionOf } from "../targets/target.ts";
import type { Writer } from "../repository/repository.ts";
import { exportPoint } from "./export.ts";
import { parentsOf } from "./points/parents.ts";
import { recordHeld, releaseAbandoned } from "./held.ts";
import { lockComponents } from "./operation-lock.ts";
import type { OpenStore } from "./components.ts";
import { configuredPath } from "./open/store.ts";
import { recordDone } from "./record.ts";
import { listPoints, rememberPoints } from "./points/catalogue.ts";
import {
  CONFIG_PATH,
  type Consistency,
  DESCRIPTION_PATH,
  filePath,
  nextStamp,
  type PointDescription,
  pointsAmong,
  pointTags,
  type StoreDescription,
  storePath,
} from "./points/point.ts";
import { schemasOf } from "./releases/compatibility.ts";
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
  const started = monotonicMs();
  using _lock = lockComponents(
    system.paths.locks,
    system.components.map(({ name }) => name),
  );
  await releaseAbandoned(system, run);
  refuseInterrupted(system, system.components);
  const stores = inOrder(chooseStores(system, options));
  const repository = await system.repository(run);
  const points = await listPoints(system, run);
  const { stamp, time } = nextStamp(system.host.clock.now(), points);
  const parent = points.at(-1)?.snapshot;

  const { description, snapshot, added } = await repository.write(parent, run, (writer, inner) =>
    writePoint(system, stores, { stamp, time, reason: options.reason }, writer, inner),
  );

  const { valid, errors, warnings, consistency, skewMs } = description;
  await rememberPoints(system, [...points, ...pointsAmong([snapshot])]);
  const exported = valid ? await exportOrWarn(system, stamp, run) : [];
  recordDone(system, "backup", options.reason, valid ? undefined : errors.join(", "));
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

type Written = Awaited<ReturnType<Writer["commit"]>> & { readonly description: PointDescription };

async function writePoint(
  system: System,
  stores: readonly OpenStore[],
  { stamp, time, reason }: { readonly stamp: string; readonly time: Date; readonly reason: string },
  writer: Writer,
  run: Run,
): Promise<Written> {
  const captured = await captureAll(stores, writer, system, run);
  const { files, warnings } = await captureFiles(system, writer);
  const folders = await parentsOf([
    system.loaded.file,
    ...stores.map(({ config }) => configuredPath(config)),
    ...Object.values(files).flat(),
  ]);
  const live = await releasesAndSchemas(system, stores, run);
  const facts = { stamp, reason, files, folders, ...live };
  const description = describe(system, captured, warnings, facts);
  await writeDescription(description, system, writer);
  // Everything is in the repository before the snapshot says whether it can be trusted.
  await writer.flush();
  const tags = pointTags({ ...description, stores: storesIn(description) });
  const committed = await writer.commit({
    time,
    paths: [`/lastgood/${system.name}`],
    hostname: system.name,
    username: "lastgood",
    tags,
    program_version: "lastgood",
  });
  return { description, ...committed };
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

type CapturedStore = {
  readonly name: string;
  readonly description: StoreDescription;
  readonly warnings: readonly string[];
};

async function captureAll(
  stores: readonly OpenStore[],
  writer: Writer,
  system: System,
  run: Run,
): Promise<CapturedStore[]> {
  const captured: CapturedStore[] = [];
  for (const open of stores) {
    const { store, config } = open;
    const { name, kind } = store;
    run.report({ type: "step.started", step: `capture ${name}` });
    const started = monotonicMs();
    const capturedAt = system.host.clock.now().toISOString();
    const { facts, errors, warnings } = await recordHeld(
      system,
      open,
      () => store.capture(writer, storePath(name), run),
      run,
    );
    const description = { kind, path: configuredPath(config), capturedAt, facts, errors };
    captured.push({ name, description, warnings: warnings.map((text) => `${name}: ${text}`) });
    const elapsedMs = monotonicMs() - started;
    run.report({ type: "step.finished", step: `capture ${name}`, elapsedMs });
  }
  return captured;
}

async function captureFiles(
  system: System,
  writer: Writer,
): Promise<{ files: Record<string, readonly string[]>; warnings: string[] }> {
  const files: Record<string, readonly string[]> = {};
  const warnings: string[] = [];
  for (const { name, config, target } of system.components) {
    const isFile = (file: string): boolean =>
      statSync(file, { throwIfNoEntry: false })?.isFile() === true;
    const there = [...config.files.filter(isFile), ...(await filesOfRelease(target))];
    const missing = config.files.filter((file) => !there.includes(file));
    warnings.push(...missing.map((file) => `${name}: files: ${file} is not there, or no file`));
    if (there.length === 0) continue;
    files[name] = there;
    for (const file of there) {
      // What a link leads to is what a new machine needs.
      const real = await realPath(file);
      await writer.file(filePath(name, file), real, { chunking: "content" });
    }
  }
  return { files, warnings };
}

/** What of the live release has to be on a new machine. */
async function filesOfRelease(target: Target | undefined): Promise<string[]> {
  const live = target?.filesOf === undefined ? undefined : (await target.pointers()).current;
  return live?.state === "to" ? await target!.filesOf!(live.version) : [];
}

function describe(
  system: System,
  captured: readonly CapturedStore[],
  missing: readonly string[],
  facts: Pick<PointDescription, "stamp" | "reason" | "files" | "folders" | "releases" | "schemas">,
): PointDescription {
  const stores = Object.fromEntries(captured.map(({ name, description }) => [name, description]));
  const errors = captured.flatMap(({ description }) => description.errors);
  const times = captured.map(({ description }) => Date.parse(description.capturedAt));
  const isEmpty = captured.every(({ description }) => description.facts === undefined);
  return {
    format: 1,
    ...facts,
    system: system.name,
    configFile: system.loaded.file,
    valid: errors.length === 0 && !isEmpty,
    errors: isEmpty && errors.length === 0 ? ["nothing_captured"] : errors,
    warnings: [...captured.flatMap(({ warnings }) => warnings), ...missing],
    consistency: captured.length > 1 ? "ordered" : "independent",
    skewMs: times.length === 0 ? 0 : Math.max(...times) - Math.min(...times),
    stores,
  };
}

/** Which releases wrote the data, and what their schemas were: for going back with data. */
async function releasesAndSchemas(
  { components }: System,
  stores: readonly OpenStore[],
  run: Run,
): Promise<Required<Pick<PointDescription, "releases" | "schemas">>> {
  const releases: Record<string, string> = {};
  for (const { name, target } of components) {
    const live = target === undefined ? undefined : versionOf((await target.pointers()).current);
    if (live !== undefined) releases[name] = live;
  }
  return { releases, schemas: await schemasOf({ stores }, run) };
}

function storesIn({ stores }: PointDescription): string[] {
  return Object.entries(stores)
    .filter(([, { facts }]) => facts !== undefined)
    .map(([name]) => name);
}

async function writeDescription(
  description: PointDescription,
  system: System,
  writer: Writer,
): Promise<void> {
  const mtimeNs = BigInt(system.host.clock.now().getTime()) * 1_000_000n;
  const metadata = { mode: 0o100600, uid: 0, gid: 0, mtimeNs };
  const json = Buffer.from(`${JSON.stringify(description, undefined, 2)}\n`);
  await writer.bytes(DESCRIPTION_PATH, json, metadata);
  await writer.bytes(CONFIG_PATH, Buffer.from(system.loaded.text), metadata);
}
