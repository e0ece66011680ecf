import path from "node:path";
import { init } from "../../operations/init/init.ts";
import { type Command, textOption } from "../command.ts";

export const initCommand: Command = {
  name: "init",
  summary:
    "Writes a commented lastgood.yaml for what is in a folder, a key and an empty repository.",
  arguments: "[folder]",
  options: [["--repository <folder>", "where points are kept: best on another disk"]],
  examples: ["lastgood init", "lastgood init /srv/app --repository /mnt/backup/app"],

  async run(args, { folder, run }) {
    const root = path.resolve(folder, args.positionals[0] ?? ".");
    const named = textOption(args, "repository");
    const at = named === undefined ? undefined : path.resolve(folder, named);
    const value = await init(root, at, run);
    const { databases, chromaFolders, folders } = value.found;
    const found = [...databases, ...chromaFolders, ...folders];
    return {
      value,
      lines: [
        found.length === 0 ? "No data found: name your stores in the file." : "Found:",
        ...found.map((file) => `  ${file}`),
        `Configuration:  ${value.config}`,
        `Repository:     ${value.repository}`,
        `Key:            ${value.keyFile}  (keep a copy elsewhere!)`,
        `Recovery sheet: ${value.recoverySheet}`,
        "Next: look at the configuration, then: lastgood backup",
      ],
    };
  },
};
