import type { Config } from "../../config/schema.ts";
import type { System } from "../system.ts";
import type { Entry, When } from "./due.ts";

/** What the configuration wants to have done again and again. */
export type Job = {
  /** For people, and in the ledger: "backup at 0 3 * * *". */
  readonly name: string;
  /** Of the operations that it makes, as the history has them. */
  readonly kind: "backup" | "copy" | "prune" | "check" | "drill";
  readonly when: When;
  /** Commands of lastgood, one after the other as long as they do what they are asked for. */
  readonly commands: readonly (readonly string[])[];
  /** Whether it is due for another reason than the time. */
  readonly isWanted?: (system: System, entry: Entry) => boolean;
};

/** Whoever looks into the history knows that nobody typed it. */
export const SCHEDULED = "scheduled";

const WHY = ["--reason", SCHEDULED] as const;
const FIRST_DRILL_MS = 86_400_000;

/** Backups first, so that what is due at the same moment is there before anything goes. */
export function jobsOf({ schedule, copies }: Pick<Config, "schedule" | "copies">): Job[] {
  if (schedule === undefined) return [];
  const { backup: backups, copy, prune, verify, drill } = schedule;
  return [
    ...backups.map(({ cron, include }): Job => {
      const more = include.length === 0 ? "" : ` with ${include.join(", ")}`;
      const flags = include.length === 0 ? [] : ["--include", ...include];
      return {
        name: `backup at ${cron}${more}`,
        kind: "backup",
        when: { cron },
        commands: [["backup", ...WHY, ...flags]],
      };
    }),
    ...(copy === undefined || Object.keys(copies).length === 0
      ? []
      : [copyJob(copy, Object.keys(copies))]),
    ...(prune === undefined ? [] : [pruneJob(prune)]),
    ...(verify === undefined ? [] : [verifyJob(verify)]),
    ...(backups.length === 0 ? [] : [drillJob(drill)]),
  ];
}

function copyJob(cron: string, names: readonly string[]): Job {
  return {
    name: `copy at ${cron}`,
    kind: "copy",
    when: { cron },
    commands: names.map((name) => ["copy", name, ...WHY]),
  };
}

function pruneJob(cron: string): Job {
  return {
    name: `prune at ${cron}`,
    kind: "prune",
    when: { cron },
    commands: [
      ["forget", "--yes", ...WHY],
      ["prune", ...WHY],
    ],
  };
}

function verifyJob({ cron, parts }: { cron: string; parts: number }): Job {
  return {
    name: `verify at ${cron}`,
    kind: "check",
    when: { cron },
    commands: [["check", "--read-next", String(parts), ...WHY]],
  };
}

function drillJob({ every }: { every: number }): Job {
  return {
    name: "drill",
    kind: "drill",
    when: { every, first: Math.min(FIRST_DRILL_MS, every) },
    commands: [["drill", ...WHY]],
    isWanted: ({ journal, host }, { started }) =>
      started !== undefined && journal.past.migratedSince(started, host.clock.now().toISOString()),
  };
}
