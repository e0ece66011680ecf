import { randomBytes } from "node:crypto";
import { stampOf } from "./points/point.ts";
import type { System } from "./system.ts";

export function newOperationId({ host }: System): string {
  return `${stampOf(host.clock.now())}-${randomBytes(4).toString("hex")}`;
}

export function whoIs({ host: { env } }: System): string {
  return env["SUDO_USER"] ?? env["USER"] ?? "";
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
  const now = system.host.clock.now().toISOString();
  const operation = {
    id: newOperationId(system),
    kind,
    plan: { steps: [], ways: [] },
    setup: { components: {}, baseline: {} },
    started: now,
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
