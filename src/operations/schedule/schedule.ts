import { setTimeout as sleep } from "node:timers/promises";
import { type AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { recordDone } from "../record.ts";
import { failureOf, type RunCommand } from "../runs/child.ts";
import type { System } from "../system.ts";
import { type Entry, isDue, nextOf, overdueSince } from "./due.ts";
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
    const before = (await readLedger(system))[job.name]!;
    const isTime = isDue(job.when, before, system.host.clock.now());
    if (run.signal.aborted || !(isTime || job.isWanted?.(system, before) === true)) continue;
    const started = nowOf(system);
    await put(system, job, { ...before, started });
    try {
      await doJob(job, runCommand, run);
      await put(system, job, {
        since: before.since,
        started: nowOf(system),
        succeeded: nowOf(system),
      });
    } catch (error) {
      const isTaken = run.signal.aborted || hasCode(error, "LOCKED");
      const after = isTaken ? kept(system, job, before, error) : failed(system, before, error);
      await put(system, job, after);
      if (isTaken) continue;
      tell(run, job.name, error);
      // A command that did not come far enough to write into the history did not do it.
      if (!system.journal.hasBegun(job.kind, started)) recordFailure(system, job, error);
    }
  }
}

async function doJob({ commands }: Job, runCommand: RunCommand, run: Run): Promise<void> {
  for (const command of commands) {
    const ended = await runCommand(command, SCHEDULED, run);
    run.signal.throwIfAborted();
    if (ended.exit !== 0) throw failureOf(command, ended);
  }
}

const nowOf = ({ host }: System): string => host.clock.now().toISOString();

const failed = (system: System, { failures = 0, ...before }: Entry, error: unknown): Entry => ({
  since: before.since,
  ...(before.succeeded === undefined ? {} : { succeeded: before.succeeded }),
  started: nowOf(system),
  error: (error as Error).message,
  failures: failures + 1,
});

/** Left as it was, so that it is due still; who waits for very long says so, once. */
function kept(system: System, job: Job, before: Entry, error: unknown): Entry {
  if (!hasCode(error, "LOCKED")) return before;
  const now = system.host.clock.now();
  const since = before.kept ?? now.toISOString();
  const waitedMs = now.getTime() - Date.parse(since);
  const isFirstTime = waitedMs >= KEPT_MS_MAX && !system.journal.hasBegun(job.kind, since);
  if (isFirstTime) recordFailure(system, job, error);
  return { ...before, kept: since };
}

function recordFailure(system: System, { kind }: Job, error: unknown): void {
  const { message } = error as AppError;
  recordDone(system, kind, SCHEDULED, `it could not begin: ${message}`);
}

/** New jobs count from now; those that a clock which was ahead has begun in the future, too. */
async function settle(system: System, jobs: readonly Job[]): Promise<void> {
  const found = await readLedger(system);
  const now = nowOf(system);
  const settled = Object.fromEntries(
    jobs.map(({ name }): [string, Entry] => {
      const entry = found[name] ?? { since: now };
      const isAhead = [entry.since, entry.started ?? ""].some((time) => time > now);
      return [name, isAhead ? { ...entry, since: now, started: now } : entry];
    }),
  );
  if (JSON.stringify(settled) !== JSON.stringify(found)) await writeLedger(system, settled);
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

/** How the schedule stands; reads only. */
export async function plannedJobs(system: System): Promise<Planned[]> {
  const jobs = jobsOf(system.config);
  if (jobs.length === 0) return [];
  const ledger: Ledger = await readLedger(system);
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
