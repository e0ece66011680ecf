import type { Run } from "../../base/events.ts";
import { AppError } from "../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import { backup } from "../backup.ts";
import { forget } from "../forget.ts";
import { prune } from "../prune.ts";
import type { System } from "../system.ts";

/** What the configuration wants to have done again and again. */
export type Job = {
  /** For people, and in the ledger: "backup at 0 3 * * *". */
  readonly name: string;
  readonly cron: string;
  /** Fails when it was not done. */
  readonly work: (system: System, run: Run) => Promise<void>;
};

const REASON = "scheduled";

/** Backups first, so that what is due at the same moment is there before anything goes. */
export function jobsOf({ schedule }: Pick<Config, "schedule">): Job[] {
  const { backup: backups = [], prune: pruned } = schedule ?? {};
  return [
    ...backups.map(({ cron, include }): Job => {
      const more = include.length === 0 ? "" : ` with ${include.join(", ")}`;
      return {
        name: `backup at ${cron}${more}`,
        cron,
        work: (...args) => takeBackup(include, ...args),
      };
    }),
    ...(pruned === undefined
      ? []
      : [{ name: `prune at ${pruned}`, cron: pruned, work: forgetAndPrune }]),
  ];
}

async function takeBackup(include: readonly string[], system: System, run: Run): Promise<void> {
  const { valid, stamp, errors } = await backup(system, { include, reason: REASON }, run);
  if (valid) return;
  throw new AppError("POINT_INVALID", `back up: point ${stamp} is invalid: ${errors.join(", ")}`);
}

async function forgetAndPrune(system: System, run: Run): Promise<void> {
  await forget(system, { points: [], plan: false }, run);
  await prune(system, "do", REASON, run);
}
