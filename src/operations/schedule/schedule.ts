import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { recordDone } from "../record.ts";
import type { System } from "../system.ts";
import { type Entry, isDue, nextAfter, overdueSince } from "./due.ts";
import { type Job, jobsOf } from "./jobs.ts";
import { type Ledger, readLedger, writeLedger } from "./ledger.ts";

const LOOK_EVERY_MS = 10_000;

/** Does what is due, one after the other, until it is cancelled; what fails is told and tried again. */
export async function keepSchedule(system: System, run: Run): Promise<void> {
  while (!run.signal.aborted) {
    await doWhatIsDue(system, run).catch((error: unknown) => {
      if (!run.signal.aborted) tell(run, "schedule", error);
    });
    await sleep(LOOK_EVERY_MS, undefined, { signal: run.signal }).catch(() => {});
  }
}

/** Every job that is due now, once. What somebody else is working on is left for the next time. */
export async function doWhatIsDue(
  system: System,
  run: Run,
  jobs: readonly Job[] = jobsOf(system.config),
): Promise<void> {
  await settle(system, jobs);
  for (const job of jobs) {
    const before = (await readLedger(system))[job.name]!;
    if (run.signal.aborted || !isDue(job.cron, before, system.host.clock.now())) continue;
    await put(system, job, { ...before, started: nowOf(system) });
    try {
      await job.work(system, run);
      await put(system, job, {
        since: before.since,
        started: nowOf(system),
        succeeded: nowOf(system),
      });
    } catch (error) {
      const isTaken = run.signal.aborted || hasCode(error, "LOCKED");
      await put(system, job, isTaken ? before : failed(system, before, error));
      if (isTaken) continue;
      tell(run, job.name, error);
      recordDone(system, job.name, "scheduled", (error as Error).message);
    }
  }
}

const nowOf = ({ host }: System): string => host.clock.now().toISOString();

const failed = (system: System, { failures = 0, ...before }: Entry, error: unknown): Entry => ({
  ...before,
  started: nowOf(system),
  error: (error as Error).message,
  failures: failures + 1,
});

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
  return jobs.map(({ name, cron }) => {
    const entry = ledger[name] ?? { since: now.toISOString() };
    return {
      job: name,
      next: nextAfter(cron, now)?.toISOString(),
      succeeded: entry.succeeded,
      error: entry.error,
      overdue: overdueSince(cron, entry, now)?.toISOString(),
    };
  });
}
