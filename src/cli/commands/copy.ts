import { ERRORS } from "../../base/errors.ts";
import { copyPoints } from "../../operations/copy.ts";
import { type Command, reasonOf } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";

export const copyCommand: Command = {
  name: "copy",
  summary: "Copies points to a second repository of the configuration (copies:), and checks it.",
  arguments: "<name> [points...]",
  options: [["--reason <text>", "why, for the history"]],
  examples: [
    "lastgood copy offsite",
    "lastgood copy offsite latest",
    "lastgood check --copy offsite --read-data",
  ],

  async run(args, { withSystem, run }) {
    const [name = "", ...named] = args.positionals;
    const value = await withSystem((system) =>
      copyPoints(system, name, named, reasonOf(args), run),
    );
    const { copied, bytesAdded, checked } = value;
    const isSound = checked.errors.length === 0;
    return {
      value,
      exit: isSound ? 0 : ERRORS.CORRUPT.exit,
      lines: [
        `${copied.length} points copied to ${name}, ${formatBytes(bytesAdded)} added.`,
        ...checked.errors.map((error) => `error: ${error}`),
        ...(isSound ? [`All that its ${checked.snapshots} snapshots need is there.`] : []),
      ],
    };
  },
};
