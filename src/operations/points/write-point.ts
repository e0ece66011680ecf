import { statSync } from "node:fs";
import { monotonicMs } from "../../base/clock.ts";
import type { Run } from "../../base/events.ts";
import { realPath } from "../../base/real-path.ts";
import type { Snapshot, Writer } from "../../repository/repository.ts";
import type { Captured } from "../../stores/store.ts";
import { type Target, versionOf } from "../../targets/target.ts";
import type { OpenStore } from "../components.ts";
import { configuredPath } from "../open/store.ts";
import { schemasOf } from "../releases/compatibility.ts";
import type { System } from "../system.ts";
import { parentsOf } from "./parents.ts";
import {
  CONFIG_PATH,
  DESCRIPTION_PATH,
  filePath,
  type Point,
  type PointDescription,
  pointTags,
  type StoreDescription,
} from "./point.ts";

/** A store's content that is in the repository, and belongs to no point yet. */
export type CapturedStore = {
  readonly name: string;
  readonly description: StoreDescription;
  readonly warnings: readonly string[];
};

export type Written = Awaited<ReturnType<Writer["commit"]>> & {
  readonly description: PointDescription;
};

type Named = { readonly stamp: string; readonly time: Date; readonly reason: string };

/** Has a store's content put into the repository, and keeps what is known of it. */
export async function captureStore(
  { host }: System,
  { store: { name, kind }, config }: OpenStore,
  capture: () => Promise<Captured>,
  run: Run,
): Promise<CapturedStore> {
  run.report({ type: "step.started", step: `capture ${name}` });
  const started = monotonicMs();
  const capturedAt = host.clock.now().toISOString();
  const { facts, errors, warnings } = await capture();
  const description = { kind, path: configuredPath(config), capturedAt, facts, errors };
  const elapsedMs = monotonicMs() - started;
  run.report({ type: "step.finished", step: `capture ${name}`, elapsedMs });
  return { name, description, warnings: warnings.map((text) => `${name}: ${text}`) };
}

/** What a point says of the moment that it is of. */
export type Moment = Pick<PointDescription, "files" | "releases" | "schemas" | "aside"> & {
  /** What was not kept, for people. */
  readonly warnings: readonly string[];
};

/** The point of what is live now. */
export async function momentNow(
  system: System,
  stores: readonly OpenStore[],
  writer: Writer,
  run: Run,
): Promise<Moment> {
  const { files, warnings } = await captureFiles(system, writer);
  return { files, warnings, ...(await releasesAndSchemas(system, stores, run)) };
}

/** Makes a point of what was captured, valid or not: its description says so. */
export async function commitPoint(
  system: System,
  stores: readonly OpenStore[],
  captured: readonly CapturedStore[],
  { stamp, time, reason }: Named,
  moment: Moment,
  writer: Writer,
): Promise<Written> {
  const folders = await parentsOf([
    system.loaded.file,
    ...stores.map(({ config }) => configuredPath(config)),
    ...Object.values(moment.files).flat(),
  ]);
  const description = describe(system, captured, { stamp, reason, folders, ...moment });
  await writeDescription(description, system, writer);
  // Everything is in the repository before the snapshot says whether it can be trusted.
  await writer.flush();
  const committed = await writer.commit({
    time,
    paths: [`/lastgood/${system.name}`],
    hostname: system.name,
    username: "lastgood",
    tags: pointTags({ ...description, stores: storesIn(description) }),
    program_version: "lastgood",
  });
  return { description, ...committed };
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
  { warnings: missing, ...facts }: Moment & Pick<PointDescription, "stamp" | "reason" | "folders">,
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
    history: system.journal.audit.head,
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

/** The newest point that has all of the stores: what it has unchanged is not read again. */
export function parentFor(
  stores: readonly OpenStore[],
  points: readonly Point[],
): Snapshot | undefined {
  const names = stores.map(({ store }) => store.name);
  const whole = points.findLast((point) => names.every((name) => point.stores.includes(name)));
  return (whole ?? points.at(-1))?.snapshot;
}
