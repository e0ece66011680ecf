import { AppError } from "../../base/errors.ts";
import { nothingTo } from "../../operations/set-aside.ts";
import { describeUndoable, listUndoable, undo } from "../../operations/undo.ts";
import { type Command, isSet, reasonOf } from "../command.ts";
import { describeResult } from "./restore.ts";

export const undoCommand: Command = {
  name: "undo",
  summary: "Puts back what an operation replaced. This can be undone too.",
  arguments: "[operation]",
  options: [
    ["--plan", "show what could be undone"],
    ["--force", "the data come back whatever the application makes of them; it is left stopped"],
    ["--yes", "do not ask"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood undo", "lastgood undo 20261121T031500Z-4f2a9c01"],

  async run(args, { withSystem, run, confirm }) {
    const [named] = args.positionals;
    return await withSystem(async (system) => {
      const options = { reason: reasonOf(args), force: isSet(args, "force") };
      const undoable = (await listUndoable(system, run)).filter(
        ({ operation }) => named === undefined || operation.id === named,
      );
      if (named !== undefined && undoable.length === 0) throw nothingTo("undo", named);
      const lines = undoable.map(describeUndoable);
      if (isSet(args, "plan")) {
        const value = { undoable: undoable.map(({ operation }) => operation.id) };
        return { value, lines: lines.length === 0 ? ["Nothing can be undone."] : lines };
      }
      const asked = `Undo ${lines[0] ?? ""}?`;
      if (undoable.length > 0 && !isSet(args, "yes") && !(await confirm(asked))) {
        throw new AppError("REFUSED", "undo: not confirmed", {
          hint: "Without a terminal, confirm with --yes.",
        });
      }
      const value = await undo(system, named, options, run);
      const { lines: told, ...rest } = describeResult(value);
      return { ...rest, lines: [`Undo of ${value.undone}:`, ...told.map((line) => `  ${line}`)] };
    });
  },
};
