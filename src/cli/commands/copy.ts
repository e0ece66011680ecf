import { ERRORS } from "../../base/errors.ts";
import { copyPoints } from "../../operations/copy.ts";
import { type Command, reasonOf } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";

const HINT_DAMAGED =
  "How far the damage goes says lastgood check --read-data; a backup may store again what is lost. " +
  "A point that stays damaged goes by: lastgood forget STAMP";

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
    const { copied, damaged, bytesAdded, errors, checked } = value;
    const isSound = checked.errors.length === 0;
    return {
      value,
      exit: errors.length === 0 ? 0 : ERRORS.CORRUPT.exit,
      lines: [
        `${copied.length} points copied to ${name}, ${formatBytes(bytesAdded)} added.`,
        ...errors.map((error) => `error: ${error}`),
        ...(damaged.length > 0 ? [HINT_DAMAGED] : []),
        ...(isSound && damaged.every(({ wasThere }) => !wasThere)
          ? [`All that its ${checked.snapshots} snapshots need is there.`]
          : []),
      ],
    };
  },
};
