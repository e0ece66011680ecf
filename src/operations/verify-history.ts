import type { Run } from "../base/events.ts";
import type { AuditHead, AuditProblem } from "../journal/audit.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import type { System } from "./system.ts";

export type HistoryVerified = {
  readonly entries: number;
  readonly problems: readonly AuditProblem[];
  /** With what outside of this machine it was compared, for people. */
  readonly compared: string;
};

/**
 * Whether the audit log is as it was written. By itself a chain cannot tell that its end was cut off; the
 * newest point knows how far it went when it was taken.
 */
export async function verifyHistory(system: System, run: Run): Promise<HistoryVerified> {
  const { journal } = system;
  const { entries } = journal.audit.head;
  let known: AuditHead | undefined;
  let compared = "No recovery point says how far it goes.";
  try {
    const point = (await listPoints(system, run)).at(-1);
    if (point !== undefined) {
      known = (await describePoint(await system.repository(run), point, run)).history;
      if (known !== undefined) compared = `Point ${point.stamp} was asked too.`;
    }
  } catch (error) {
    run.signal.throwIfAborted();
    compared = `It was not compared with a point: ${(error as Error).message}`;
  }
  return { entries, problems: journal.audit.verify(known), compared };
}
