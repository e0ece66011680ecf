import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { applyPolicy, type KeepPolicy } from "../repository/retention.ts";
import type { Facts, Store } from "../stores/store.ts";
import {
  describePoint,
  type Listed,
  listPoints,
  refuseUnknown,
  rememberPoints,
} from "./points/catalogue.ts";
import { damagedAmong } from "./points/damaged.ts";
import { findPoint, isAhead, isMarkerOf, type Point } from "./points/point.ts";
import { recorded } from "./record.ts";
import type { System } from "./system.ts";

export type Forgetting = {
  readonly stamp: string;
  /** Why it stays; empty: it goes. */
  readonly reasons: readonly string[];
};

/** What a policy looks at. */
type Judged = Pick<Point, "stamp" | "stores" | "valid" | "isSafety" | "pinned"> & {
  readonly snapshot: { readonly time: string };
};

/**
 * Says of each point whether the policy keeps it, and why. Applied for each set of stores, so that
 * the daily points without an index do not push out the weekly ones with it. Pinned, safety and
 * invalid points neither enter nor use up anything; invalid ones go once a valid one is newer. Points ahead of
 * the clock stay too: theirs may be wrong, a second apart where days were, and so may be the one of now.
 */
export function judgePoints(
  points: readonly Judged[],
  policy: KeepPolicy,
  now: Date,
): Forgetting[] {
  const reasons = new Map<string, readonly string[]>();
  const isOrdinary = ({ valid, isSafety, pinned, snapshot }: Judged): boolean =>
    valid && !isSafety && !pinned && !isAhead(snapshot.time, now);
  const groups = Map.groupBy(points.filter(isOrdinary), ({ stores }) =>
    stores.toSorted().join(" "),
  );
  for (const group of groups.values()) {
    const items = group.map(({ stamp, snapshot }) => ({ stamp, time: snapshot.time }));
    for (const judged of applyPolicy(items, policy)) reasons.set(judged.item.stamp, judged.reasons);
  }
  return points.map((point, index) => ({
    stamp: point.stamp,
    reasons: reasons.get(point.stamp) ?? ownReasons(point, points.slice(index + 1), now),
  }));
}

function ownReasons(point: Judged, newer: readonly Judged[], now: Date): string[] {
  const found: string[] = [];
  if (point.valid && isAhead(point.snapshot.time, now)) found.push("ahead of the clock");
  if (point.pinned) found.push("pinned");
  if (point.isSafety) found.push("safety point");
  if (!point.valid && !newer.some(({ valid, isSafety }) => valid && !isSafety))
    found.push("evidence: none newer is valid");
  return found;
}

/** As they were last seen, each with why it stays: without the repository. */
export function judgeListed(
  system: System,
  points: readonly Listed[],
): (Listed & { readonly reasons: readonly string[]; readonly until: string | undefined })[] {
  const policy = policyOf(system);
  const judged = judgePoints(
    points.map((point) => ({ ...point, isSafety: false, snapshot: point })),
    policy,
    system.host.clock.now(),
  );
  return points.map((point, at) => {
    const { reasons } = judged[at]!;
    return { ...point, reasons, until: untilOf(point.time, reasons, policy) };
  });
}

const DAY_MS = 86_400_000;
const PERIODS = {
  "hourly snapshot": ["hourly", DAY_MS / 24],
  "daily snapshot": ["daily", DAY_MS],
  "weekly snapshot": ["weekly", 7 * DAY_MS],
  "monthly snapshot": ["monthly", 30.5 * DAY_MS],
  "yearly snapshot": ["yearly", 365 * DAY_MS],
} as const;

/** About how long a point stays if others go on being taken; undefined: for ever, or nobody can tell. */
function untilOf(time: string, reasons: readonly string[], policy: KeepPolicy): string | undefined {
  const ends = reasons.map((reason) => {
    const [key, ms] = Object.hasOwn(PERIODS, reason) ? PERIODS[reason as keyof typeof PERIODS] : [];
    const count = key === undefined ? undefined : policy[key];
    return typeof count === "number" ? Date.parse(time) + count * ms! : Infinity;
  });
  const end = Math.max(0, ...ends);
  return end === 0 || end === Infinity ? undefined : new Date(end).toISOString();
}

export type ForgetOptions = {
  /** Named points go whatever the policy says, and damaged snapshots, named by the first letters of their ids. */
  readonly points: readonly string[];
  readonly plan: boolean;
};

export type Forgotten = {
  readonly points: readonly Forgetting[];
  readonly removed: readonly string[];
};

/** Removes points that the policy does not keep. REFUSED when it would leave none that is valid. */
export async function forget(
  system: System,
  options: ForgetOptions,
  reason: string,
  run: Run,
): Promise<Forgotten> {
  if (options.plan) return await forgetPoints(system, options, run);
  const damaged = await damagedAmong(system, options.points, run);
  await refuseUnknown(system, withoutNames(options.points, damaged), run);
  return await recorded(system, "forget", reason, run, async () => {
    const value = await forgetPoints(system, options, run);
    return { value, detail: value.removed.join(" ") };
  });
}

async function forgetPoints(
  system: System,
  { points: named, plan }: ForgetOptions,
  run: Run,
): Promise<Forgotten> {
  const points = await listPoints(system, run);
  const damaged = await damagedAmong(system, named, run);
  const judged =
    named.length > 0
      ? judgeNamed(points, withoutNames(named, damaged))
      : judgePoints(points, policyOf(system), system.host.clock.now());
  const going = new Set(judged.filter(({ reasons }) => reasons.length === 0).map((j) => j.stamp));
  refuseAll(points, going);
  const lost = damaged.map(({ id }) => ({ stamp: `snapshot ${id.slice(0, 8)}`, reasons: [] }));
  const all = [...judged, ...lost];
  if (plan || going.size + lost.length === 0) return { points: all, removed: [] };
  const repository = await system.repository(run);
  const markers = (await repository.snapshots(run)).filter((s) =>
    isMarkerOf(s, system.name, going),
  );
  const leaving = points.filter(({ stamp }) => going.has(stamp));
  // Read before they go: afterwards nobody knows what servers keep for them.
  const freeing = await whatServersKeep(system, leaving, run);
  await repository.forget(
    [...leaving.map(({ snapshot }) => snapshot), ...markers, ...damaged].map(({ id }) => id),
    run,
  );
  await free(freeing, run);
  await rememberPoints(
    system,
    points.filter(({ stamp }) => !going.has(stamp)),
  );
  return { points: all, removed: [...going, ...lost.map(({ stamp }) => stamp)] };
}

function withoutNames(
  names: readonly string[],
  left: readonly { readonly name: string }[],
): string[] {
  return names.filter((name) => !left.some((one) => one.name === name));
}

type Kept = { readonly stamp: string; readonly store: Store; readonly facts: Facts };

async function whatServersKeep(
  system: System,
  points: readonly Point[],
  run: Run,
): Promise<Kept[]> {
  const stores = system.components.flatMap((component) => component.stores);
  const keeping = stores.flatMap(({ store }) => (store.forgotten === undefined ? [] : [store]));
  if (keeping.length === 0) return [];
  const repository = await system.repository(run);
  const kept: Kept[] = [];
  for (const point of points) {
    try {
      const description = await describePoint(repository, point, run);
      for (const store of keeping) {
        const { facts } = description.stores[store.name] ?? {};
        if (facts !== undefined) kept.push({ stamp: point.stamp, store, facts });
      }
    } catch (error) {
      // A damaged point has to be able to go.
      if (!hasCode(error, "CORRUPT") && !hasCode(error, "NOT_FOUND")) throw error;
    }
  }
  return kept;
}

/** The points are gone: a server that cannot be reached keeps something for longer, with a word. */
async function free(kept: readonly Kept[], run: Run): Promise<void> {
  for (const { stamp, store, facts } of kept) {
    try {
      await store.forgotten?.(facts, run);
    } catch (error) {
      run.signal.throwIfAborted();
      const message = `${store.where} still keeps something for ${stamp}: ${(error as Error).message}`;
      run.report({ type: "warning", message });
    }
  }
}

function policyOf({ config }: System): KeepPolicy {
  // zod leaves `undefined` in; the policy knows only what is there.
  const entries = Object.entries(config.keep).filter(([, count]) => count !== undefined);
  return Object.fromEntries(entries) as KeepPolicy;
}

function judgeNamed(points: readonly Point[], named: readonly string[]): Forgetting[] {
  const chosen = new Set(named.map((name) => findPoint(points, name)));
  for (const { pinned, stamp } of chosen) {
    if (!pinned) continue;
    throw new AppError("REFUSED", `forget ${stamp}: it is pinned`, {
      hint: `First: lastgood keep --unpin ${stamp}`,
    });
  }
  return points.map((point) => ({
    stamp: point.stamp,
    reasons: chosen.has(point) ? [] : ["not named"],
  }));
}

function refuseAll(points: readonly Point[], going: ReadonlySet<string>): void {
  // Nobody would name a safety point to go back to.
  const valid = points.filter((point) => point.valid && !point.isSafety);
  if (valid.length === 0 || valid.some(({ stamp }) => !going.has(stamp))) return;
  throw new AppError("REFUSED", "forget: no valid point would be left", {
    hint: "Look at keep: in the configuration; it has to keep something.",
  });
}
