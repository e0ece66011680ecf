import path from "node:path";
import type { Run } from "../base/events.ts";
import { isReadOnly } from "../base/fs.ts";
import type { Verdict } from "../checks/check.ts";
import type { Outcome, Progress } from "../journal/journal.ts";
import { versionOf } from "../targets/target.ts";
import type { OperationSetup } from "./begin.ts";
import { deployHold } from "./releases/hold.ts";
import { whatIsAway } from "./away.ts";
import { type Baseline, sampleChecks } from "./acts/healthy.ts";
import { damageAt } from "./damage-ledger.ts";
import { missingStores, readOnlyStores } from "./live-data.ts";
import { Incidents, JOB_KEY } from "./incidents/incidents.ts";
import { isUnderWay } from "./operation-lock.ts";
import { type Catalogue, readCatalogue } from "./points/catalogue.ts";
import { isAhead } from "./points/point.ts";
import { type Planned, plannedJobs } from "./schedule/schedule.ts";
import { needSpace } from "./space.ts";
import type { System } from "./system.ts";
import { listUndoable } from "./undo.ts";
import { needingHuman, unfinishedOf } from "./unfinished.ts";

export type Status = {
  readonly ok: boolean;
  /** The first problem, where there is one. */
  readonly sentence: string;
  /** What needs somebody; the worst first. */
  readonly problems: readonly string[];
  readonly components: Readonly<
    Record<
      string,
      {
        readonly checks: Readonly<Record<string, Verdict>>;
        /** What is live, of a component that has releases. */
        readonly release?: string | undefined;
      }
    >
  >;
  /** As last seen; undefined when never. */
  readonly points:
    | {
        readonly valid: number;
        readonly invalid: number;
        readonly newest: string | undefined;
        readonly seen: string;
      }
    | undefined;
  readonly unfinished: readonly string[];
  readonly needsHuman: readonly string[];
  readonly undoable: readonly {
    readonly operation: string;
    readonly kind: string;
    readonly until: string;
    /** Whether the next deploy of the component ends that before. */
    readonly orDeploy: boolean;
  }[];
  readonly schedule: readonly Planned[];
  readonly last:
    | { readonly operation: string; readonly kind: string; readonly outcome: Outcome | undefined }
    | undefined;
};

const RECENT = 20;

/** How things stand, without opening the repository: what is known of points has an age. */
export async function status(system: System, run: Run): Promise<Status> {
  const [catalogue, baseline, undoable, schedule] = await Promise.all([
    readCatalogue(system),
    sampleChecks(system.components, run, "quick"),
    undoableOf(system, run),
    plannedJobs(system),
  ]);
  const recent = system.journal.history(RECENT);
  const [last] = recent;
  const { interrupted, underWay } = unfinishedOf(system);
  const unfinished = interrupted.map(({ id }) => id);
  const points = pointsIn(catalogue);
  const isRequired = checksThat(system, "required");
  const isShadow = checksThat(system, "shadow");
  const unwell = Object.entries(baseline).filter(
    ([name, verdict]) =>
      !isShadow.has(name) && (verdict === "bad" || (verdict === "unknown" && isRequired.has(name))),
  );
  const stopped = await stoppedComponents(system, run);
  const needsHuman = needingHuman(system).map(({ id }) => id);
  const hasStores = system.components.some(({ stores }) => stores.length > 0);
  const [state] = await needSpace([{ path: system.paths.journal, bytes: 0, files: 1 }]);
  const problems = [
    ...(state?.enough === false ? [`${state.folder}: the disk is full`] : []),
    ...readOnlyFolders(system),
    ...(await whatIsAway(system)),
    ...unfinished.map((id) => `operation ${id} was interrupted: lastgood recover`),
    ...needsHuman.map((id) => `operation ${id} needs you: lastgood history, then lastgood recover`),
    ...(await brokenReleases(system)),
    ...missingStores(system.components.flatMap(({ stores }) => stores)).map(
      ({ name, livePath }) => `${name}: ${livePath} is not there: lastgood doctor`,
    ),
    ...stopped,
    ...unwell.map(([name, verdict]) => `check ${name} is ${verdict}`),
    ...(catalogue?.points.at(-1)?.valid === false
      ? [`the newest point is invalid: lastgood show ${catalogue.points.at(-1)?.stamp}`]
      : []),
    ...aheadOfClock(system, catalogue),
    ...schedule.flatMap(({ job, overdue, error }) =>
      overdue === undefined
        ? []
        : [`${job} is overdue since ${overdue}: ${error ?? "does lastgood serve run?"}`],
    ),
    ...(hasStores ? withoutPoint(points) : []),
    ...(await damagedPacks(system)),
    ...failedJobs(system, state?.enough !== false),
  ];
  return {
    ok: problems.length === 0,
    sentence: problems[0] ?? `${busy(system, underWay)}${newestPoint(points?.newest)}`,
    problems,
    components: await byComponent(system, baseline),
    points,
    unfinished,
    needsHuman,
    schedule,
    undoable,
    last: last && { operation: last.id, kind: last.kind, outcome: last.outcome },
  };
}

/** What can be undone, and until when: after that it may be freed. */
export async function undoableOf(system: System, run: Run): Promise<Status["undoable"]> {
  return (await listUndoable(system, run)).map(({ operation }) => ({
    operation: operation.id,
    kind: operation.kind,
    until: new Date(Date.parse(operation.started) + system.config["undo-for"]).toISOString(),
    orDeploy: (operation.setup as OperationSetup).release !== undefined,
  }));
}

/** Where nothing can be restored, or even written down. */
function readOnlyFolders({ paths, components }: System): string[] {
  const live = readOnlyStores(components.flatMap(({ stores }) => stores));
  const folders = new Set(live.map(({ livePath }) => path.dirname(livePath)));
  if (isReadOnly(paths.state)) folders.add(paths.state);
  return [...folders].map((folder) => `${folder}: the disk is read-only: see dmesg`);
}

/** Its age cannot be told, nor how old the data are that it holds. */
function aheadOfClock({ host }: System, catalogue: Catalogue | undefined): string[] {
  const newest = catalogue?.points.at(-1);
  if (newest === undefined || !isAhead(newest.time, host.clock.now())) return [];
  return [`the newest point, ${newest.stamp}, is ahead of the clock: lastgood doctor`];
}

function pointsIn(catalogue: Catalogue | undefined): Status["points"] {
  if (catalogue === undefined) return undefined;
  const valid = catalogue.points.filter((point) => point.valid);
  return {
    valid: valid.length,
    invalid: catalogue.points.length - valid.length,
    newest: valid.at(-1)?.stamp,
    seen: catalogue.at,
  };
}

/** Without a catalogue nobody has looked: the repository may be full of them. */
function withoutPoint(points: Status["points"]): string[] {
  if (points === undefined) {
    return ["no recovery point was seen from here yet: lastgood points, or lastgood backup"];
  }
  return points.valid > 0 ? [] : ["there is no valid recovery point yet: lastgood backup"];
}

function newestPoint(stamp: string | undefined): string {
  return stamp === undefined ? "" : ` Newest recovery point: ${stamp}.`;
}

/** Not every operation is in the journal before it has ended; but each locks what it works on. */
function busy({ components, paths }: System, [first]: readonly Progress[]): string {
  if (first !== undefined) return `A ${first.kind} is under way.`;
  const locked = components.filter(({ name }) => isUnderWay(paths.locks, [name]));
  if (locked.length === 0) return "All is well.";
  return `Something is under way on ${locked.map(({ name }) => name).join(", ")}.`;
}

/** What went wrong without anything having to be taken back, and did not succeed since. */
function failedJobs({ paths }: System, hasRoom: boolean): string[] {
  try {
    using incidents = new Incidents(paths.state);
    return incidents
      .allLasting()
      .filter(({ key }) => key.startsWith(JOB_KEY))
      .map(({ id, title }) => `${title}: lastgood incident show ${id}, or close ${id}`);
  } catch (error) {
    // Where the disk is full that is told already, and is the reason.
    return hasRoom ? [`what went wrong lately is not known: ${(error as Error).message}`] : [];
  }
}

/** No backup builds on them; older points may have lost something. */
async function damagedPacks({ paths, config }: System): Promise<string[]> {
  const { size } = await damageAt(paths.state, config.repository.at).known();
  if (size === 0) return [];
  const what = size === 1 ? "1 pack of the repository is" : `${size} packs of the repository are`;
  return [`${what} damaged: lastgood backup stores again what is still there, then lastgood prune`];
}

function checksThat(system: System, need: "required" | "shadow"): ReadonlySet<string> {
  const names = system.components.flatMap(({ name: component, checks }) =>
    checks.filter((check) => check.need === need).map(({ name }) => `${component}/${name}`),
  );
  return new Set(names);
}

async function stoppedComponents(system: System, run: Run): Promise<string[]> {
  const stopped: string[] = [];
  for (const { name, runner } of system.components) {
    const isAlive = await runner?.isAlive(run).catch((error: unknown) => {
      run.signal.throwIfAborted();
      return (error as Error).message;
    });
    if (isAlive === false) stopped.push(`${name} does not run`);
    else if (typeof isAlive === "string")
      stopped.push(`whether ${name} runs is unknown: ${isAlive}`);
  }
  return stopped;
}

async function byComponent(system: System, baseline: Baseline): Promise<Status["components"]> {
  const components: Record<string, Status["components"][string]> = {};
  for (const { name, target, checks } of system.components) {
    const pointers = await target?.pointers();
    const release = pointers === undefined ? undefined : versionOf(pointers.current);
    const verdicts = checks.flatMap((check) => {
      const verdict = baseline[`${name}/${check.name}`];
      return verdict === undefined ? [] : [[check.name, verdict] as const];
    });
    if (verdicts.length === 0 && target === undefined) continue;
    components[name] = {
      checks: Object.fromEntries(verdicts),
      ...(target === undefined ? {} : { release }),
    };
  }
  return components;
}

/** A link that leads nowhere is what nobody looks at until the next start. */
async function brokenReleases({ components, paths }: System): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, target } of components) {
    const current = (await target?.pointers())?.current;
    const held = deployHold(paths, name);
    if (held?.isFailure === true) {
      broken.push(`${name}: deploys are held: ${held.why}: then lastgood resume ${name}`);
    }
    if (current === undefined || current.state === "to") continue;
    const isNew = current.state === "none" && (await target!.releases()).length === 0;
    const isGone = current.state === "none" ? "is not there" : "leads to no release";
    const what = isNew ? "nothing is deployed yet" : `current ${isGone}`;
    broken.push(`${name}: ${what}: lastgood ${isNew ? "deploy" : "doctor"}`);
  }
  return broken;
}
