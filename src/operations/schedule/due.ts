import { Cron } from "croner";

/** When a job is to be done: at the moments of a line of cron, or so long after the last time. */
export type When =
  | { readonly cron: string }
  /** In milliseconds; `first` after it was first seen. */
  | { readonly every: number; readonly first: number };

/** What is known of a job, by its name, from one start of the service to the next. */
export type Entry = {
  /** When it was first seen: what was due before is nobody's business. */
  readonly since: string;
  readonly started?: string;
  readonly succeeded?: string;
  /** Why the last one failed; and how many did since it was last due by the time. */
  readonly error?: string;
  readonly failures?: number;
  /** A process is at it, or was when it was lost. */
  readonly running?: boolean;
  /** Since when somebody else's work keeps it from beginning. */
  readonly kept?: string;
};

const RETRY_MS = 15 * 60_000;
const FAILURES_MAX = 4;

/** A clock that was put back must not keep a job waiting for years. */
const notAfter = (text: string, now: Date): Date => {
  const time = new Date(text);
  return time > now ? now : time;
};

/** The first moment after one at which it was done, or else `since` when it is known. */
function momentAfter(when: When, done: Date | undefined, since: Date): Date | undefined {
  // In the machine's own time zone, with its changes of the hour.
  if ("cron" in when) return new Cron(when.cron).nextRun(done ?? since) ?? undefined;
  const [from, ms] = done === undefined ? [since, when.first] : [done, when.every];
  return new Date(from.getTime() + ms);
}

const timeOf = (text: string | undefined, now: Date): Date | undefined =>
  text === undefined ? undefined : notAfter(text, now);

/** When it comes next; undefined: never again. */
export function nextOf(when: When, { since, started }: Entry, now: Date): Date | undefined {
  if ("cron" in when) return new Cron(when.cron).nextRun(now) ?? undefined;
  const next = momentAfter(when, timeOf(started, now), notAfter(since, now))!;
  return next < now ? now : next;
}

/**
 * Whether a job has to run now: one of its moments has come since it was last begun, however many were
 * missed while nobody was there; or it failed, and a while has gone by.
 */
export function isDue(when: When, entry: Entry, now: Date): boolean {
  const { since, started, error, failures = 0 } = entry;
  if (isItsTime(when, entry, now)) return true;
  const isAgain = error !== undefined && failures < FAILURES_MAX;
  return isAgain && now.getTime() - notAfter(started ?? since, now).getTime() >= RETRY_MS;
}

/** Whether one of its moments has come since it was last begun: what failed before is past. */
export function isItsTime(when: When, { since, started }: Entry, now: Date): boolean {
  const next = momentAfter(when, timeOf(started, now), notAfter(since, now));
  return next !== undefined && next <= now;
}

/** Of what is done every so often, this part of the time more is not late yet. */
const GRACE = 10;

/**
 * Since when a job should have succeeded: two moments of its line of cron have gone by, or more than a
 * tenth of the time after which it is done again. Undefined: it is in time.
 */
export function overdueSince(when: When, { since, succeeded }: Entry, now: Date): Date | undefined {
  const first = momentAfter(when, timeOf(succeeded, now), notAfter(since, now));
  if (first === undefined) return undefined;
  const second =
    "cron" in when
      ? momentAfter(when, first, first)
      : new Date(first.getTime() + when.every / GRACE);
  return second !== undefined && second <= now ? first : undefined;
}
