import { span } from "../base/span.ts";
import type { Run } from "../base/events.ts";
import type { Progress } from "../journal/journal.ts";
import { type Evidence, listEvidence } from "./drill/evidence.ts";
import { type Incident, Incidents } from "./incidents/incidents.ts";
import { readCatalogue } from "./points/catalogue.ts";
import { versionOf } from "../targets/target.ts";
import { type Planned, plannedJobs } from "./schedule/schedule.ts";
import type { System } from "./system.ts";
import { needingHuman, unfinishedOf } from "./unfinished.ts";
import { HealthHistory, type HealthSpan } from "./watch/health-history.ts";
import { type Space, spaceOf } from "./watch/space.ts";

/** What is measured, beside what was promised; undefined: nobody knows, or nobody said. */
export type Gauge = {
  readonly ms: number | undefined;
  readonly objectiveMs: number | undefined;
};

/** Of one kind of work, what became of it on one day. */
export type Cell = {
  readonly day: string;
  readonly good: number;
  readonly bad: number;
};

export type Home = {
  readonly system: string;
  /** To what moment one can go back, in how long, and when that was last proven. */
  readonly sentence: string;
  /** What needs somebody; the worst first. */
  readonly problems: readonly string[];
  readonly components: readonly {
    readonly name: string;
    readonly hasReleases: boolean;
    /** What is live now. */
    readonly release: string | undefined;
    readonly point: string | undefined;
    readonly dataLoss: Gauge;
    /** The median of the last drills, and the slowest. */
    readonly recovery: Gauge & { readonly slowestMs: number | undefined };
    readonly proof: Gauge & { readonly drill: string | undefined };
    readonly checks: readonly HealthSpan[];
  }[];
  readonly strips: Readonly<Record<string, readonly Cell[]>>;
  readonly jobs: readonly Planned[];
  readonly space: Space | undefined;
  readonly incidents: readonly Incident[];
  readonly underWay: readonly { readonly operation: string; readonly kind: string }[];
  /** When the points were last seen. */
  readonly seen: string | undefined;
};

const DRILLS = 50;
/** The times of so many say how long it takes. */
const MEASURED = 10;
const RECENT = 10;
const DAYS = 30;
const DAY_MS = 86_400_000;
const STRIPS = ["backup", "check", "drill", "prune"] as const;

/** Answers the question that people come with. Opens no repository and asks no check. */
export async function home(system: System, _run: Run): Promise<Home> {
  const [catalogue, drills, jobs, space] = await Promise.all([
    readCatalogue(system),
    listEvidence(system, DRILLS),
    plannedJobs(system),
    spaceOf(system),
  ]);
  using history = new HealthHistory(system.paths.state);
  using incidents = new Incidents(system.paths.state);
  const checks = history.latest();
  const lasting = incidents.allLasting();
  const described = incidents.list(RECENT).filter(({ closed, recovered }) => {
    return closed === undefined && recovered !== undefined;
  });
  const open = [...lasting, ...described];
  const valid = (catalogue?.points ?? []).filter((point) => point.valid);
  const now = system.host.clock.now();
  const releases = await liveReleases(system);
  const components = system.components.map(({ name, stores, target }) => {
    const own = stores.map(({ store }) => store.name);
    const point = valid.findLast((one) => own.some((store) => one.stores.includes(store)));
    return {
      name,
      hasData: own.length > 0,
      time: point?.time,
      hasReleases: target !== undefined,
      release: releases.get(name),
      point: point?.stamp,
      ...measured(system, drills, point?.time, now),
      checks: checks.filter(({ component }) => component === name),
    };
  });
  const { interrupted, underWay } = unfinishedOf(system);
  return {
    system: system.name,
    sentence: sentenceOf(system, components, drills, now),
    problems: problemsOf({ system, interrupted, jobs, open }),
    components,
    strips: stripsOf(system, now),
    jobs,
    space,
    incidents: open,
    underWay: underWay.map(({ id, kind }) => ({ operation: id, kind })),
    seen: catalogue?.at,
  };
}

async function liveReleases({ components }: System): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const { name, target } of components) {
    const live = target === undefined ? undefined : versionOf((await target.pointers()).current);
    if (live !== undefined) found.set(name, live);
  }
  return found;
}

/** Drills in which everything that was wanted was seen. */
const isGood = ({ verdict }: Evidence): boolean => verdict !== "failed";

function measured(
  { config }: System,
  drills: readonly Evidence[],
  time: string | undefined,
  now: Date,
): Pick<Home["components"][number], "dataLoss" | "recovery" | "proof"> {
  const { objectives, schedule } = config;
  const times = recoveryTimes(drills);
  const last = drills.find(isGood);
  const since = (at: string | undefined): number | undefined =>
    at === undefined ? undefined : Math.max(0, now.getTime() - Date.parse(at));
  return {
    dataLoss: { ms: since(time), objectiveMs: objectives?.["data-loss"] },
    recovery: {
      ms: medianOf(times),
      slowestMs: times.at(-1),
      objectiveMs: objectives?.["recovery-time"],
    },
    proof: { ms: since(last?.started), objectiveMs: schedule?.drill.every, drill: last?.id },
  };
}

function recoveryTimes(drills: readonly Evidence[]): number[] {
  return drills
    .filter(isGood)
    .slice(0, MEASURED)
    .flatMap(({ recovery }) => (recovery.ms === undefined ? [] : [recovery.ms]))
    .toSorted((a, b) => a - b);
}

function medianOf(sorted: readonly number[]): number | undefined {
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** The worst wins: it is the component whose newest point is oldest. */
function sentenceOf(
  { name }: System,
  components: readonly { name: string; hasData: boolean; time: string | undefined }[],
  drills: readonly Evidence[],
  now: Date,
): string {
  const withData = components.filter(({ hasData }) => hasData);
  const without = withData.filter(({ time }) => time === undefined).map((one) => one.name);
  const times = withData.flatMap(({ time }) => time ?? []).toSorted();
  const [oldest] = times;
  if (oldest === undefined)
    return `You cannot bring ${name} back: there is no valid recovery point.`;
  if (without.length > 0) {
    return `You cannot bring all of ${name} back: ${without.join(", ")} has no valid recovery point.`;
  }
  const lost = now.getTime() - Date.parse(oldest);
  if (lost < -CLOCKS_MS) {
    return `The newest point of ${name} is of ${moment(oldest, now)}, which is to come: a clock is wrong.`;
  }
  const recoveryMs = medianOf(recoveryTimes(drills));
  const how = recoveryMs === undefined ? "" : ` in about ${span(recoveryMs)}`;
  return `You can bring ${name} back to ${moment(oldest, now)} (${span(lost)} lost)${how}; ${provenBy(drills, now)}.`;
}

/** Clocks of two machines differ by less. */
const CLOCKS_MS = 60_000;

function provenBy(drills: readonly Evidence[], now: Date): string {
  const at = drills.findIndex(isGood);
  const last = drills[at];
  const failed = at === -1 ? drills.length : at;
  const since = failed === 1 ? "the last drill failed" : `the last ${failed} drills failed`;
  if (last === undefined) {
    return failed === 0
      ? "how long that takes was never tried in a drill"
      : `${since}, and none was good`;
  }
  const what = last.verdict === "data-proven" ? "its data last proven" : "last proven";
  const proven = `${what} ${span(now.getTime() - Date.parse(last.started))} ago`;
  return failed === 0 ? proven : `${proven}, but ${since}`;
}

/** "02:30 today", in the machine's own time zone. */
function moment(time: string, now: Date): string {
  const at = new Date(time);
  const two = (value: number): string => String(value).padStart(2, "0");
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const days = dayNumber(now) - dayNumber(at);
  if (days === 0) return `${clock} today`;
  if (days === 1) return `${clock} yesterday`;
  return `${clock} on ${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

const dayNumber = (at: Date): number =>
  Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / DAY_MS;

function problemsOf({
  system,
  interrupted,
  jobs,
  open,
}: {
  system: System;
  interrupted: readonly Progress[];
  jobs: readonly Planned[];
  open: readonly Incident[];
}): string[] {
  return [
    ...interrupted.map(({ id }) => `Operation ${id} was interrupted: lastgood recover`),
    ...needingHuman(system).map(({ id }) => `Operation ${id} needs you: lastgood recover`),
    ...open.filter(({ recovered }) => recovered === undefined).map(({ title }) => title),
    ...jobs.flatMap(({ job, overdue }) =>
      overdue === undefined ? [] : [`${job} is overdue since ${overdue}`],
    ),
  ];
}

/** By day, oldest first, in UTC as the history has it. */
function stripsOf({ journal }: System, now: Date): Home["strips"] {
  const days = Array.from({ length: DAYS }, (_, back) =>
    new Date(now.getTime() - (DAYS - 1 - back) * DAY_MS).toISOString().slice(0, 10),
  );
  const counted = journal.past.countByDay(`${days[0]}T00:00:00`);
  return Object.fromEntries(
    STRIPS.map((kind) => [
      kind,
      days.map((day) => ({ day, ...(counted.get(`${kind} ${day}`) ?? { good: 0, bad: 0 }) })),
    ]),
  );
}
