import { recover } from "../../operations/recover.ts";
import type { Command } from "../command.ts";
import { OUTCOMES } from "../outcome.ts";

export const recoverCommand: Command = {
  name: "recover",
  summary: "Ends operations that a crash interrupted: what was not finished goes back.",
  examples: ["lastgood recover"],

  async run(_args, { withSystem, run }) {
    const value = await withSystem((system) => recover(system, run));
    const failed = value.operations.find(({ outcome }) => outcome === "needs-human");
    return {
      value,
      exit: failed === undefined ? 0 : OUTCOMES["needs-human"].exit,
      lines:
        value.operations.length === 0
          ? ["Nothing was interrupted."]
          : value.operations.map(({ operation, outcome }) => `${operation}: ${outcome}`),
    };
  },
};
