import { health } from "../../operations/health.ts";
import type { Command } from "../command.ts";
import { table } from "../format.ts";

const EXIT_NOT_OK = 1;

export const healthCommand: Command = {
  name: "health",
  summary: "Asks all checks once. Ends with 0 only when every required one is good.",
  arguments: "[component]",
  examples: ["lastgood health", "lastgood health device --json"],

  async run(args, { withSystem, run }) {
    const value = await withSystem((system) => health(system, args.positionals[0], run));
    const rows = value.checks.map(({ component, check, need, verdict, detail }) => [
      `${component}/${check}`,
      verdict,
      need,
      detail,
    ]);
    return {
      value,
      exit: value.ok ? 0 : EXIT_NOT_OK,
      lines:
        rows.length === 0
          ? ["Nothing is checked, so nothing is known. Add checks to lastgood.yaml."]
          : table(["check", "verdict", "need", ""], rows),
    };
  },
};
