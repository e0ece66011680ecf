import { existsSync } from "node:fs";
import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { CONFIG_NAME, loadConfig } from "../../config/load.ts";
import { completeInit, init } from "../../operations/init/init.ts";
import { type Command, textOption } from "../command.ts";

export const initCommand: Command = {
  name: "init",
  summary:
    "Writes a commented lastgood.yaml for what is in a folder, a key and an empty repository. Where a configuration is, makes the repositories that it names.",
  arguments: "[folder]",
  options: [["--repository <folder>", "where points are kept: best on another disk"]],
  examples: ["lastgood init", "lastgood init /srv/app --repository /mnt/backup/app"],

  async run(args, { folder, env, run, configFile }) {
    const root = path.resolve(folder, args.positionals[0] ?? ".");
    const named = textOption(args, "repository");
    if (named !== undefined && /^(s3|sftp):/.test(named)) {
      throw new AppError("USAGE", `init: ${named} is no folder`, {
        hint: "Say it in lastgood.yaml, under repository: at:, with its keys; then: lastgood init",
      });
    }
    const at = named === undefined ? undefined : path.resolve(folder, named);
    // Whoever names a configuration means that one, wherever he stands.
    const config =
      configFile === undefined ? path.join(root, CONFIG_NAME) : path.resolve(folder, configFile);
    if (configFile !== undefined || (existsSync(config) && at === undefined)) {
      const completed = await completeInit(await loadConfig(config, folder), env, run);
      const lines = completed.made.map((repository) => `Made: ${repository}`);
      return { value: completed, lines: [`Configuration: ${config}`, ...lines] };
    }
    const value = await init(root, at, run);
    const { databases, chromaFolders, folders } = value.found;
    const { leftOut } = value.found;
    const found = [...databases, ...chromaFolders, ...folders];
    return {
      value,
      lines: [
        found.length === 0 ? "No data found: name your stores in the file." : "Found:",
        ...found.map((file) => `  ${file}`),
        ...(leftOut.length === 0 ? [] : ["Not in it, say if you need it:"]),
        ...leftOut.map((file) => `  ${file}`),
        `Configuration:  ${value.config}`,
        `Repository:     ${value.repository}${at === undefined ? "  (beside the data: best elsewhere, with --repository)" : ""}`,
        `Key:            ${value.keyFile}  (keep a copy elsewhere!)`,
        `Recovery sheet: ${value.recoverySheet}`,
        "Next: look at the configuration, then: lastgood backup",
      ],
    };
  },
};
