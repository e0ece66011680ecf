import { Cron } from "croner";

/** What is known of a job, by its name, from one start of the service to the next. */
export type Entry = {
  /** When it was first seen: what was due before is nobody's business. */
  readonly since: string;
  readonly started?: string;
  readonly succeeded?: string;
  /** Why the last one failed; and how many did since the last that did not. */
  readonly error?: string;
  readonly failures?: number;
};

const RETRY_MS = 15 * 60_000;
const FAILURES_MAX = 4;

/** In the machine's own time zone, with its changes of the hour; undefined: never again. */
export function nextAfter(cron: string, after: Date): Date | undefined {
  return new Cron(cron).nextRun(after) ?? undefined;
}

/** A clock that was put back must not keep a job waiting for years. */
const notAfter = (text: string, now: Date): Date => {
  const time = new Date(text);
  return time > now ? now : time;
};

/**
 * Whether a job has to run now: one of its moments has come since it was last begun, however many were
 * missed while nobody was there; or it failed, and a while has gone by.
 */
export function isDue(cron: string, entry: Entry, now: Date): boolean {
  const { since, started, error, failures = 0 } = entry;
  const last = notAfter(started ?? since, now);
  const next = nextAfter(cron, last);
  if (next !== undefined && next <= now) return true;
  const isAgain = error !== undefined && failures < FAILURES_MAX;
  return isAgain && now.getTime() - last.getTime() >= RETRY_MS;
}

/** Since when a job should have succeeded: two of its moments have gone by. Undefined: it is in time. */
export function overdueSince(
  cron: string,
  { since, succeeded }: Entry,
  now: Date,
): Date | undefined {
  const first = nextAfter(cron, notAfter(succeeded ?? since, now));
  const second = first === undefined ? undefined : nextAfter(cron, first);
  return second !== undefined && second <= now ? first : undefined;
}
