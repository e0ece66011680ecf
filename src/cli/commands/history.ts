import { unfinishedOf } from "../../operations/unfinished.ts";
import type { Command } from "../command.ts";
import { table } from "../format.ts";

const HISTORY_MAX = 100;

export const historyCommand: Command = {
  name: "history",
  summary: "Lists what was done, newest first, with outcome, who and why.",
  examples: ["lastgood history"],

  async run(_args, { withSystem }) {
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
