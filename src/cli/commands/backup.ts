import { ERRORS } from "../../base/errors.ts";
import { backup } from "../../operations/backup.ts";
import { type Command, reasonOf, selectionOf } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";
import { formatMs } from "../format.ts";

export const backupCommand: Command = {
  name: "backup",
  summary: "Takes a recovery point while the application runs, and proves that it can be restored.",
  options: [
    ["--include <stores...>", "also stores that are taken on request only"],
    ["--component <name>", "only this component"],
    ["--store <name>", "only this store"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood backup", 'lastgood backup --include chroma --reason "before the upgrade"'],

  async run(args, { withSystem, run }) {
    const include = (args.options["include"] ?? []) as string[];
    const options = { ...selectionOf(args), include, reason: reasonOf(args) };
    const value = await withSystem((system) => backup(system, options, run));
    const { stamp, valid, errors, bytesTotal, bytesAdded, elapsedMs, warnings } = value;
    const sizes = `${formatBytes(bytesTotal)}, ${formatBytes(bytesAdded)} added`;
    return {
      value,
      exit: valid ? 0 : ERRORS.POINT_INVALID.exit,
      lines: [
        valid
          ? `Recovery point ${stamp}: valid, ${sizes}, ${formatMs(elapsedMs)}`
          : `Recovery point ${stamp} is INVALID and is never offered for a restore: ${errors.join(", ")}`,
        ...warnings.map((warning) => `  ${warning}`),
      ],
    };
  },
};
