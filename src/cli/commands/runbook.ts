import { runbook } from "../../operations/releases/runbook.ts";
import type { Command } from "../command.ts";

export const runbookCommand: Command = {
  name: "runbook",
  summary: "Prints the commands that do by hand what lastgood does, for this system as it is now.",
  examples: ["lastgood runbook > /root/runbook.md"],

  async run(_args, { withSystem, run }) {
    const lines = await withSystem((system) => runbook(system, run));
    return { value: { lines }, lines };
  },
};
