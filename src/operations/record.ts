import { randomBytes } from "node:crypto";
import { hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { stampOf } from "./points/point.ts";
import type { System } from "./system.ts";

export function newOperationId({ host }: System): string {
  return `${stampOf(host.clock.now())}-${randomBytes(4).toString("hex")}`;
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
  work: () => Promise<{ value: T; detail?: string; error?: string | undefined }>,
): Promise<T> {
  const started = system.host.clock.now().toISOString();
  try {
    const { value, detail = "", error } = await work();
    recordDone(system, kind, [reason, detail].filter(Boolean).join(": "), error, started);
    return value;
  } catch (error) {
    // Whom another keeps out has not tried.
    if (!run.signal.aborted && !hasCode(error, "LOCKED")) {
      recordDone(system, kind, reason, (error as Error).message, started);
    }
    throw error;
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
  started?: string,
): void {
  const now = system.host.clock.now().toISOString();
  const operation = {
    id: newOperationId(system),
    kind,
    plan: { steps: [], ways: [] },
    setup: { components: {}, baseline: {} },
    started: started ?? now,
    who: whoIs(system),
    reason,
    outcome: error === undefined ? "committed" : "aborted",
    ended: now,
    error,
  } as const;
  try {
    system.journal.record(operation);
  } catch {
    // A full disk, mostly; `doctor` says so.
  }
}
