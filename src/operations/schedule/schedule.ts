import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { recordDone } from "../record.ts";
import { failureOf, type RunCommand } from "../runs/child.ts";
import type { System } from "../system.ts";
import { type Entry, isDue, isItsTime, nextOf, overdueSince } from "./due.ts";
import { type Job, jobsOf, SCHEDULED } from "./jobs.ts";
import { type Ledger, readLedger, writeLedger } from "./ledger.ts";

const LOOK_EVERY_MS = 10_000;
/** So long a job may be kept from beginning before that is told. */
const KEPT_MS_MAX = 15 * 60_000;

/** Does what is due, one after the other, until it is cancelled; what fails is told and tried again. */
export async function keepSchedule(
  system: System,
  runCommand: RunCommand,
  run: Run,
): Promise<void> {
  while (!run.signal.aborted) {
    await doWhatIsDue(system, runCommand, run).catch((error: unknown) => {
      if (!run.signal.aborted) tell(run, "schedule", error);
    });
    await sleep(LOOK_EVERY_MS, undefined, { signal: run.signal }).catch(() => {});
  }
}

/** Every job that is due now, once. What somebody else is working on is left for the next time. */
export async function doWhatIsDue(
  system: System,
  runCommand: RunCommand,
  run: Run,
  jobs: readonly Job[] = jobsOf(system.config),
): Promise<void> {
  await settle(system, jobs);
  for (const job of jobs) {
    const found = await endLost(system, job);
    const now = system.host.clock.now();
    const isTime = isDue(job.when, found, now);
    if (run.signal.aborted || !(isTime || job.isWanted?.(system, found) === true)) continue;
    const before = isItsTime(job.when, found, now) ? { ...found, failures: 0 } : found;
    const started = nowOf(system);
    await put(system, job, { ...before, started, running: true });
    try {
      await doJob(job, runCommand, run);
      const ended = nowOf(system);
      await put(system, job, { since: before.since, started: ended, succeeded: ended });
    } catch (error) {
      const isTaken = run.signal.aborted || hasCode(error, "LOCKED") || error instanceof Cancelled;
      const after = isTaken
        ? kept(system, job, before, error)
        : failed(system, before, (error as Error).message);
      await put(system, job, after);
      if (isTaken) continue;
      tell(run, job.name, error);
      // A command that did not come far enough to write into the history did not do it.
      if (!hasBegun(system, job, started)) recordFailure(system, job, (error as Error).message);
    }
  }
}

/** Of a job whose service was lost while it was at it nobody knows what became: it has failed. */
async function endLost(system: System, job: Job): Promise<Entry> {
  const entry = (await readLedger(system))[job.name]!;
  if (entry.running !== true) return entry;
  const { started = entry.since } = entry;
  const why = "whoever did it was lost";
  if (!hasBegun(system, job, started)) recordFailure(system, job, why);
  const after = { ...failed(system, entry, why), started };
  await put(system, job, after);
  return after;
}

const hasBegun = ({ journal }: System, { commands }: Job, since: string): boolean =>
  commands.some(([kind = ""]) => journal.past.hasBegun(kind, since));

/** Somebody had it stopped: that is no failure, and it is due still. */
class Cancelled extends Error {}

async function doJob({ commands }: Job, runCommand: RunCommand, run: Run): Promise<void> {
  for (const command of commands) {
    const ended = await runCommand(command, SCHEDULED, run);
    run.signal.throwIfAborted();
    if (ended.error?.code === "INTERRUPTED") throw new Cancelled(ended.error.message);
    if (ended.exit !== 0) throw failureOf(command, ended);
  }
}

const nowOf = ({ host }: System): string => host.clock.now().toISOString();

const failed = (system: System, { failures = 0, ...before }: Entry, error: string): Entry => ({
  since: before.since,
  ...(before.succeeded === undefined ? {} : { succeeded: before.succeeded }),
  started: nowOf(system),
  error,
  failures: failures + 1,
});

/** Left as it was, so that it is due still; who waits for very long says so, once. */
function kept(system: System, job: Job, before: Entry, error: unknown): Entry {
  if (!hasCode(error, "LOCKED")) {
    // Whoever stopped it does not want it begun again at once.
    return error instanceof Cancelled ? { ...before, started: nowOf(system) } : before;
  }
  const now = system.host.clock.now();
  const since = before.kept ?? now.toISOString();
  const waitedMs = now.getTime() - Date.parse(since);
  const isFirstTime = waitedMs >= KEPT_MS_MAX && !hasBegun(system, job, since);
  if (isFirstTime) recordFailure(system, job, (error as Error).message);
  return { ...before, kept: since };
}

function recordFailure(system: System, { kind }: Job, why: string): void {
  recordDone(system, kind, SCHEDULED, `it could not begin: ${why}`);
}

/** New jobs count from now; those that a clock which was ahead has begun in the future, too. */
async function settle(system: System, jobs: readonly Job[]): Promise<Ledger> {
  const found = await readLedger(system);
  const now = nowOf(system);
  const settled = Object.fromEntries(
    jobs.map(({ name }): [string, Entry] => {
      const entry = found[name] ?? { since: now };
      return [name, notAhead(entry, now)];
    }),
  );
  if (JSON.stringify(settled) !== JSON.stringify(found)) await writeLedger(system, settled);
  return settled;
}

/** What a clock that was ahead has written down would keep the job, or an alarm, waiting for years. */
function notAhead(entry: Entry, now: string): Entry {
  const { since, started, succeeded, kept: waiting } = entry;
  const isAhead = (time: string | undefined): boolean => time !== undefined && time > now;
  if (![since, started, succeeded, waiting].some(isAhead)) return entry;
  return {
    ...entry,
    since: now,
    started: now,
    ...(succeeded === undefined ? {} : { succeeded: isAhead(succeeded) ? now : succeeded }),
    ...(waiting === undefined ? {} : { kept: isAhead(waiting) ? now : waiting }),
  };
}

async function put(system: System, { name }: Job, entry: Entry): Promise<void> {
  await writeLedger(system, { ...(await readLedger(system)), [name]: entry });
}

function tell(run: Run, what: string, error: unknown): void {
  run.report({ type: "warning", message: `${what}: ${(error as Error).message}` });
}

/** A job as `status` shows it. */
export type Planned = {
  readonly job: string;
  readonly kind: Job["kind"];
  readonly next: string | undefined;
  readonly succeeded: string | undefined;
  readonly error: string | undefined;
  /** Since when it should have been done. */
  readonly overdue: string | undefined;
};

/** How the schedule stands. Whoever looks first notes since when a job is known: from then on it can be late. */
export async function plannedJobs(system: System): Promise<Planned[]> {
  const jobs = jobsOf(system.config);
  if (jobs.length === 0) return [];
  const ledger = await settle(system, jobs).catch(async () => await readLedger(system));
  const now = system.host.clock.now();
  return jobs.map(({ name, kind, when }) => {
    const entry = ledger[name] ?? { since: now.toISOString() };
    return {
      job: name,
      kind,
      next: nextOf(when, entry, now)?.toISOString(),
      succeeded: entry.succeeded,
      error: entry.error,
      overdue: overdueSince(when, entry, now)?.toISOString(),
    };
  });
}
