import { ERRORS } from "../../base/errors.ts";
import { validate } from "../../operations/validate.ts";
import type { Command } from "../command.ts";

export const validateCommand: Command = {
  name: "validate",
  summary: "Restores a point into a folder of its own, looks into it, and clears up.",
  arguments: "[point]",
  examples: ["lastgood validate latest"],

  async run({ positionals: [named = "latest"] }, { withSystem, run }) {
    const value = await withSystem((system) => validate(system, named, run));
    const { stamp, valid, errors } = value;
    return {
      value,
      exit: valid ? 0 : ERRORS.POINT_INVALID.exit,
      lines: [
        valid ? `${stamp} can be restored.` : `${stamp} cannot be trusted: ${errors.join(", ")}`,
      ],
    };
  },
};
