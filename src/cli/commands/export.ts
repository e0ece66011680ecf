import { AppError } from "../../base/errors.ts";
import { exportPoint } from "../../operations/export.ts";
import type { Command } from "../command.ts";

export const exportCommand: Command = {
  name: "export",
  summary: "Writes a point as a plain folder, where export: in the configuration says.",
  arguments: "[point]",
  examples: ["lastgood export latest"],

  async run({ positionals: [named = "latest"] }, { withSystem, run }) {
    const value = await withSystem((system) => exportPoint(system, named, run));
    if (value === undefined) {
      throw new AppError("CONFIG_INVALID", "export: the configuration does not say where to", {
        hint: "Add: export: { at: /some/folder/snapshots }",
      });
    }
    return { value, lines: [value.at] };
  },
};
