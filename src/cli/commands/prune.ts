import { prune } from "../../operations/prune.ts";
import { type Command, isSet, reasonOf } from "../command.ts";
import { formatBytes } from "../format.ts";

export const pruneCommand: Command = {
  name: "prune",
  summary: "Frees what no point needs. Nobody else can use the repository meanwhile.",
  options: [
    ["--plan", "say what would be freed; change nothing"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood prune --plan", "lastgood prune"],

  async run(args, { withSystem, run }) {
    const how = isSet(args, "plan") ? "plan" : "do";
    const value = await withSystem((system) => prune(system, how, reasonOf(args), run));
    const { bytesFreed, bytesUsed, packsRemoved, packsRepacked } = value;
    const would = how === "plan" ? "would be " : "";
    return {
      value,
      lines: [
        `${formatBytes(bytesFreed)} ${would}freed, ${formatBytes(bytesUsed)} in use;` +
          ` ${packsRemoved} packs ${would}removed, ${packsRepacked} written anew.`,
      ],
    };
  },
};
