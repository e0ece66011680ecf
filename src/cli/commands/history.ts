import { unfinishedOf } from "../../operations/unfinished.ts";
import { ERRORS } from "../../base/errors.ts";
import { verifyHistory } from "../../operations/verify-history.ts";
import type { Command } from "../command.ts";
import { table } from "../format.ts";

const HISTORY_MAX = 100;

export const historyCommand: Command = {
  name: "history",
  summary:
    "Lists what was done, newest first, with outcome, who and why; or verifies that nobody changed it.",
  arguments: "[verify]",
  examples: ["lastgood history", "lastgood history verify   # whether nobody changed it since"],

  async run(args, { withSystem, run }) {
    if (args.positionals[0] === "verify") {
      const value = await withSystem((system) => verifyHistory(system, run));
      return {
        value,
        exit: value.problems.length === 0 ? 0 : ERRORS.CORRUPT.exit,
        lines: [
          ...value.problems.map(({ seq, problem }) => `entry ${seq}: ${problem}`),
          value.problems.length === 0
            ? `${value.entries} entries, each as it was written. ${value.compared}`
            : "Somebody changed the history, or the disk did.",
        ],
      };
    }
    const { operations, underWay } = await withSystem(async (system) => ({
      operations: system.journal.history(HISTORY_MAX),
      underWay: new Set(unfinishedOf(system).underWay.map(({ id }) => id)),
    }));
    const value = {
      operations: operations.map(({ setup: _, plan: __, ...facts }) => facts),
    };
    const rows = operations.map(({ id, kind, outcome, who, reason, error }) => [
      id,
      kind,
      outcome ?? (underWay.has(id) ? "under way" : "interrupted"),
      who,
      reason || (error ?? ""),
    ]);
    const lines =
      rows.length === 0
        ? ["Nothing yet."]
        : table(["OPERATION", "", "OUTCOME", "WHO", "WHY"], rows);
    return { value, lines };
  },
};
