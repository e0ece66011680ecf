import { parseTime } from "./format/go-time.ts";

/** How many to keep of each period; "all" keeps every one. As `restic forget --keep-…`. */
export type KeepPolicy = {
  readonly last?: number | "all";
  readonly hourly?: number | "all";
  readonly daily?: number | "all";
  readonly weekly?: number | "all";
  readonly monthly?: number | "all";
  readonly yearly?: number | "all";
};

export type Judged<T> = {
  readonly item: T;
  /** Why it is kept, in restic's words; empty: it goes. */
  readonly reasons: readonly string[];
};

type Bucket = {
  readonly period: (local: Date, position: number) => number;
  readonly reason: string;
  left: number;
  last: number;
};

const PERIODS: readonly {
  readonly key: keyof KeepPolicy;
  readonly reason: string;
  readonly period: Bucket["period"];
}[] = [
  { key: "last", reason: "last snapshot", period: (_, position) => position },
  { key: "hourly", reason: "hourly snapshot", period: (d) => day(d) * 100 + d.getUTCHours() },
  { key: "daily", reason: "daily snapshot", period: day },
  { key: "weekly", reason: "weekly snapshot", period: isoWeek },
  { key: "monthly", reason: "monthly snapshot", period: month },
  { key: "yearly", reason: "yearly snapshot", period: (d) => d.getUTCFullYear() },
];

/**
 * Decides as restic's ApplyPolicy which of a group are kept: of each period the newest, and the
 * very oldest while a count is left. Times are RFC 3339; periods are those of their own offset.
 * An empty policy keeps nothing; whoever removes asks for more than one first.
 */
export function applyPolicy<T extends { readonly time: string }>(
  items: readonly T[],
  policy: KeepPolicy,
): Judged<T>[] {
  const buckets = PERIODS.flatMap(({ key, reason, period }): Bucket[] => {
    const count = policy[key] ?? 0;
    const left = count === "all" ? Number.POSITIVE_INFINITY : count;
    return left > 0 ? [{ period, reason, left, last: -1 }] : [];
  });
  const newestFirst = items.toSorted((a, b) => compareTimes(b.time, a.time));
  return newestFirst.map((item, position) => {
    const local = wallClock(item.time);
    const isOldest = position === newestFirst.length - 1;
    const reasons = buckets.flatMap((bucket) => judge(bucket, local, position, isOldest));
    return { item, reasons };
  });
}

function judge(bucket: Bucket, local: Date, position: number, isOldest: boolean): string[] {
  if (bucket.left <= 0) return [];
  const period = bucket.period(local, position);
  const isNew = period !== bucket.last;
  if (!isNew && !isOldest) return [];
  bucket.last = period;
  bucket.left--;
  return [isNew ? bucket.reason : `oldest ${bucket.reason}`];
}

function compareTimes(a: string, b: string): number {
  const difference = (parseTime(a) ?? 0n) - (parseTime(b) ?? 0n);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** What the clock on the wall showed, as if it were UTC. */
function wallClock(time: string): Date {
  return new Date(`${time.slice(0, 19)}Z`);
}

function day(d: Date): number {
  return month(d) * 100 + d.getUTCDate();
}

function month(d: Date): number {
  return d.getUTCFullYear() * 100 + d.getUTCMonth() + 1;
}

/** ISO 8601: a week belongs to the year of its Thursday. */
function isoWeek(d: Date): number {
  const thursday = new Date(d);
  thursday.setUTCDate(d.getUTCDate() + 4 - (d.getUTCDay() || 7));
  const yearStart = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.floor((thursday.getTime() - yearStart) / (7 * 86_400_000)) + 1;
  return thursday.getUTCFullYear() * 100 + week;
}
