import { prune } from "../../operations/prune.ts";
import { type Command, isSet, reasonOf, textOption } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";

export const pruneCommand: Command = {
  name: "prune",
  summary: "Frees what no point needs. Nobody else can use the repository meanwhile.",
  options: [
    ["--copy <name>", "not the repository itself, but one under copies:"],
    ["--plan", "say what would be freed; change nothing"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood prune --plan", "lastgood prune", "lastgood prune --copy offsite"],

  async run(args, { withSystem, run }) {
    const how = isSet(args, "plan") ? "plan" : "do";
    const options = { how, copy: textOption(args, "copy"), reason: reasonOf(args) } as const;
    const value = await withSystem((system) => prune(system, options, run));
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
