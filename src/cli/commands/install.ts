import { AppError } from "../../base/errors.ts";
import { installUnits, unitFiles } from "../../operations/install.ts";
import { type Command, isSet } from "../command.ts";

export const installCommand: Command = {
  name: "install",
  summary: "Writes the systemd units: recovery at boot before the components start, and serve.",
  options: [
    ["--plan", "show what would be written; change nothing"],
    ["--yes", "do not ask"],
  ],
  examples: ["lastgood install --plan", "lastgood install --yes"],

  async run(args, { withSystem, program, confirm, run }) {
    return await withSystem(async (system) => {
      const files = unitFiles(system, program);
      if (isSet(args, "plan")) {
        const lines = files.flatMap(({ file, text }) => [`# ${file}`, text]);
        return { value: { files }, lines };
      }
      const names = files.map(({ file }) => `  ${file}`);
      const question = ["Write and enable:", ...names, "Install?"].join("\n");
      if (!isSet(args, "yes") && !(await confirm(question))) {
        throw new AppError("REFUSED", "install: not confirmed", {
          hint: "Look at it with --plan; without a terminal, confirm with --yes.",
        });
      }
      const written = await installUnits(system, program, run);
      return { value: { files: written }, lines: ["Installed:", ...names] };
    });
  },
};
