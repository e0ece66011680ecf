import path from "node:path";
import { monotonicMs } from "../../base/clock.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type FileStore, isFileStore } from "../../stores/store.ts";
import { lockComponents } from "../operation-lock.ts";
import { describePoint, listPoints, refuseUnknown } from "../points/catalogue.ts";
import { mark } from "../points/pin.ts";
import { findPoint, type Point, type PointDescription, storePath } from "../points/point.ts";
import { newOperationId, recorded } from "../record.ts";
import { needSpace, roomInWords } from "../space.ts";
import type { System } from "../system.ts";
import { proveInServer } from "../prove.ts";
import { type Evidence, writeEvidence } from "./evidence.ts";
import { DrillFailure, failureOf, faultOf } from "./fault.ts";
import type { Tried } from "./inside.ts";
import { DRILL_LOCK, drillFolder, removeTree } from "./left.ts";
import { type DrillPlace, drillPlace } from "./place.ts";
import { runApart, whyNoSandbox } from "./sandbox.ts";

export type DrillOptions = {
  /** A point, "latest", or "random". */
  readonly named: string;
  readonly reason: string;
};

/** Filled as the drill goes on; what is there when it fails is evidence too. */
type Found = {
  stores: Evidence["stores"][number][];
  checks: Evidence["checks"];
  lastWords: Evidence["lastWords"];
  reasons: string[];
  notes: string[];
  recoveryMs: number | undefined;
};

/**
 * Restores a point into a place of its own, starts there what can be started there, asks its checks, and
 * keeps what it found as evidence. What is live is not touched. A drill that fails returns: it has done
 * what it is for. LOCKED, NOT_FOUND, UNAVAILABLE, WRONG_KEY.
 */
export async function drill(system: System, options: DrillOptions, run: Run): Promise<Evidence> {
  system.expectWork();
  using _lock = lockComponents(system.paths.locks, [DRILL_LOCK]);
  const { named } = options;
  await refuseUnknown(system, named === "latest" || named === "random" ? [] : [named], run);
  return await recorded(system, "drill", options.reason, run, async () => {
    const value = await drillOnce(system, options, run);
    const { fault, problem } = value;
    return { value, error: fault === undefined ? undefined : `${problem} (at fault: ${fault})` };
  });
}

async function drillOnce(
  system: System,
  { named, reason }: DrillOptions,
  run: Run,
): Promise<Evidence> {
  const begun = system.host.clock.now();
  const points = await listPoints(system, run);
  const point = choosePoint(points, named);
  // What would be lost if the machine died now, whichever point is tried.
  const newest = points.findLast((one) => one.valid && !one.isSafety) ?? point;
  const dataLossMs = Math.max(0, begun.getTime() - Date.parse(newest.snapshot.time));
  const description = await describePoint(await system.repository(run), point, run);
  const id = newOperationId(system);
  const found: Found = {
    stores: [],
    checks: [],
    lastWords: [],
    reasons: [],
    notes: [],
    recoveryMs: undefined,
  };
  const folder = drillFolder(system);
  await removeTree(folder);
  let failure: DrillFailure | undefined;
  try {
    await tryOut(system, point, description, folder, found, run);
  } catch (error) {
    run.signal.throwIfAborted();
    failure = failureOf(error);
  } finally {
    await removeTree(folder).catch((error: unknown) => {
      run.report({ type: "warning", message: `remove ${folder}: ${(error as Error).message}` });
    });
  }
  const about = { id, reason, begun, point, description, found, failure, dataLossMs };
  const evidence = evidenceOf(system, about);
  await writeEvidence(system, evidence).catch((error: unknown) => {
    const problem = `keep the evidence of drill ${id}: ${(error as Error).message}`;
    throw new AppError("UNAVAILABLE", `${problem}; what it found: ${evidence.verdict}`, {
      hint: "See whether the disk of the state folder is full, and who owns it.",
      cause: error,
    });
  });
  await mark(system, point, `drill:${evidence.verdict}`, id, run).catch((error: unknown) => {
    run.report({ type: "warning", message: `mark ${point.stamp}: ${(error as Error).message}` });
  });
  return evidence;
}

function choosePoint(points: readonly Point[], named: string): Point {
  if (named !== "random") return findPoint(points, named);
  const valid = points.filter((point) => point.valid && !point.isSafety);
  const chosen = valid[Math.floor(Math.random() * valid.length)];
  return chosen ?? findPoint(points, "latest");
}

async function tryOut(
  system: System,
  point: Point,
  description: PointDescription,
  folder: string,
  found: Found,
  run: Run,
): Promise<void> {
  const started = monotonicMs();
  const all = system.components.flatMap(({ stores }) => stores);
  const open = all.map(({ store }) => store);
  const stores = open.filter(({ name }) => point.stores.includes(name));
  await refuseFull(stores.filter(isFileStore), description, folder);
  const place = await drillPlace(system, open.filter(isFileStore), folder);
  const unknown = point.stores.filter((name) => !open.some((store) => store.name === name));
  found.reasons.push(...unknown.map((name) => `${name} is in the point, and not configured`));
  for (const { store, config } of all.filter(({ store: one }) => !stores.includes(one))) {
    // What is taken now and then, or may be missing, was not forgotten.
    const isExpected = config.optional || config.include === "on-request";
    const say = `${store.name} is not in the point: there was nothing of it`;
    if (isExpected) found.notes.push(say);
    else found.reasons.push(say);
  }
  const repository = await system.repository(run);
  for (const store of stores) {
    const began = monotonicMs();
    const step = `restore ${store.name} apart`;
    run.report({ type: "step.started", step });
    const { facts } = description.stores[store.name] ?? {};
    const problems = await repository.read(point.snapshot, run, async (reader, inner) => {
      if (!isFileStore(store))
        return await proveInServer(system, store, point.stamp, facts, reader, inner);
      const target = place.folderOf(store);
      await store.materialise(reader, storePath(store.name), target, inner);
      return await store.validate(target, facts, inner);
    });
    const elapsedMs = monotonicMs() - began;
    run.report({ type: "step.finished", step, elapsedMs });
    found.stores.push({ store: store.name, elapsedMs, ...(facts && { facts }), problems });
    if (problems.length > 0) throw new DrillFailure("backup", problems.join(", "));
  }
  if (!(await tryApplication(system, place, found, run))) return;
  found.recoveryMs = monotonicMs() - started;
}

/** Starts what can be started apart, and asks the checks; says what could not be. Whether anything ran. */
async function tryApplication(
  system: System,
  place: DrillPlace,
  found: Found,
  run: Run,
): Promise<boolean> {
  found.reasons.push(...place.left);
  const why = await whyNoSandbox(run);
  if (why !== undefined) {
    found.reasons.push(`no place apart can be had: ${why}`);
    return false;
  }
  const step = "start it apart, and ask its checks";
  const began = monotonicMs();
  run.report({ type: "step.started", step });
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = [
    process.execPath,
    path.join(import.meta.dirname, `inside.${suffix}`),
    path.join(place.folder, "trial.json"),
  ];
  const ended = await runApart(program, await place.mounts(), place.timeoutMs, run);
  run.report({ type: "step.finished", step, elapsedMs: monotonicMs() - began });
  if (ended.exitCode !== 0) {
    const last = ended.stderr.trim().split("\n").at(-1) ?? "";
    throw new DrillFailure("surroundings", `the place apart: ${last}`);
  }
  const tried = JSON.parse(ended.stdout) as Tried;
  found.checks = tried.checks;
  found.lastWords = tried.lastWords;
  const wanted = tried.checks.filter(
    ({ need, verdict }) => need === "wanted" && verdict !== "good",
  );
  found.notes.push(
    ...wanted.map(
      ({ component, check, verdict }) => `${component}/${check}, which is wanted, is ${verdict}`,
    ),
  );
  if (tried.problem === undefined) return place.trial.starts.length > 0;
  throw new DrillFailure(await faultOf(system, tried, run), tried.problem);
}

async function refuseFull(
  stores: readonly FileStore[],
  { stores: described }: PointDescription,
  folder: string,
): Promise<void> {
  const space = await needSpace(
    stores.map(({ name }) => ({
      path: folder,
      bytes: described[name]?.facts?.bytes ?? 0,
      files: described[name]?.facts?.files ?? 1,
    })),
  );
  const full = space.find(({ enough }) => !enough);
  if (full === undefined) return;
  throw new DrillFailure("surroundings", `restore to ${folder}: ${roomInWords(full)}`);
}

type Ended = {
  readonly id: string;
  readonly reason: string;
  readonly begun: Date;
  readonly point: Point;
  readonly description: PointDescription;
  readonly found: Found;
  readonly failure: DrillFailure | undefined;
  readonly dataLossMs: number;
};

function evidenceOf(
  { name, config, host }: System,
  { id, reason, begun, point, description, found, failure, dataLossMs }: Ended,
): Evidence {
  const { objectives } = config;
  const isWhole = found.reasons.length === 0;
  return {
    format: 1,
    id,
    system: name,
    reason,
    started: begun.toISOString(),
    ended: host.clock.now().toISOString(),
    point: point.stamp,
    releases: description.releases ?? {},
    verdict: failure === undefined ? (isWhole ? "proven" : "data-proven") : "failed",
    ...(failure === undefined ? {} : { fault: failure.fault, problem: failure.message }),
    reasons: found.reasons,
    notes: found.notes,
    recovery: {
      ms: isWhole ? found.recoveryMs : undefined,
      objectiveMs: objectives?.["recovery-time"],
    },
    dataLoss: { ms: dataLossMs, objectiveMs: objectives?.["data-loss"] },
    stores: found.stores,
    checks: found.checks,
    lastWords: found.lastWords,
  };
}
