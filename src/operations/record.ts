import { randomBytes } from "node:crypto";
import { translateDiskError } from "../base/disk-errors.ts";
import { hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { redact } from "../base/redact.ts";
import type { Scope } from "../journal/journal.ts";
import { tellAtOnce } from "./notices/flush.ts";
import { stampOf } from "./points/point.ts";
import type { System } from "./system.ts";

/** An id that sorts by the millisecond in which the operation began: several fit into a second. */
export function newOperationId({ host }: System): string {
  const now = host.clock.now();
  const milliseconds = now.getUTCMilliseconds().toString(16).padStart(3, "0");
  return `${stampOf(now)}-${milliseconds}${randomBytes(3).toString("hex").slice(1)}`;
}

export function whoIs({ host: { env } }: System): string {
  return env["LASTGOOD_WHO"] ?? env["SUDO_USER"] ?? env["USER"] ?? "";
}

/**
 * Does something that has nothing to go back to, and puts into the history that it was done, or why not.
 * What was cancelled was not begun.
 */
export async function recorded<T>(
  system: System,
  kind: string,
  reason: string,
  run: Run,
  work: () => Promise<{ value: T; detail?: string; error?: string | undefined; scope?: Scope }>,
  scope?: Scope,
): Promise<T> {
  const started = system.host.clock.now().toISOString();
  try {
    const { value, detail = "", error, scope: found } = await work();
    const why = [reason, detail].filter(Boolean).join(": ");
    await recordOrTell(system, { kind, reason: why, error, started, scope: found ?? scope }, run);
    return value;
  } catch (error) {
    // Whom another keeps out has not tried.
    if (!run.signal.aborted && !hasCode(error, "LOCKED")) {
      const { message } = error as Error;
      await recordOrTell(system, { kind, reason, error: message, started, scope }, run);
    }
    throw error;
  }
}

type Done = {
  readonly kind: string;
  readonly reason: string;
  readonly error: string | undefined;
  readonly started?: string;
  readonly scope?: Scope | undefined;
};

/** A failure that cannot even be written down, since the disk is full, must not stay unknown. */
async function recordOrTell(system: System, done: Done, run: Run): Promise<void> {
  try {
    record(system, done);
  } catch (error) {
    const { message } = translateDiskError(error, "write the history") as Error;
    run.report({ type: "warning", message });
    if (done.error === undefined) return;
    const at = system.host.clock.now().toISOString();
    const title = `${done.kind} failed: ${done.error}`;
    const text = `${title}. ${message}`;
    const notice = { id: newOperationId(system), at, system: system.name, title, text };
    await tellAtOnce(system, { ...notice, kind: "failure" }, run);
  }
}

/**
 * Puts into the history what has nothing to go back to, with who did it and why. What was done is
 * done: that the history cannot be written is no failure of it.
 */
export function recordDone(
  system: System,
  kind: string,
  reason: string,
  error: string | undefined,
): void {
  try {
    record(system, { kind, reason, error });
  } catch {
    // A full disk, mostly; `doctor` says so.
  }
}

function record(system: System, { kind, reason, error, started, scope }: Done): void {
  const now = system.host.clock.now().toISOString();
  system.journal.record({
    id: newOperationId(system),
    kind,
    plan: { steps: [], ways: [] },
    setup: { components: {}, baseline: {} },
    started: started ?? now,
    who: whoIs(system),
    reason,
    outcome: error === undefined ? "committed" : "aborted",
    ended: now,
    error: error === undefined ? undefined : redact(error),
    ...(scope === undefined ? {} : { scope }),
  });
}
