import { forget } from "../../operations/forget.ts";
import { AppError } from "../../base/errors.ts";
import { type Command, isSet, reasonOf } from "../command.ts";
import { table } from "../format.ts";

export const forgetCommand: Command = {
  name: "forget",
  summary:
    "Removes points that keep: does not keep, or those that are named. prune then frees space.",
  arguments: "[points...]",
  options: [
    ["--plan", "say of each point why it stays or goes; change nothing"],
    ["--yes", "do not ask"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood forget --plan", "lastgood forget --yes"],

  async run(args, { withSystem, run, confirm }) {
    const points = args.positionals;
    return await withSystem(async (system) => {
      const planned = await forget(system, { points, plan: true }, "", run);
      const lines = table(
        ["STAMP", "", "WHY"],
        planned.points.map(({ stamp, reasons }) => [
          stamp,
          reasons.length > 0 ? "stays" : "GOES",
          reasons.join(", "),
        ]),
      );
      const going = planned.points.filter(({ reasons }) => reasons.length === 0).length;
      if (isSet(args, "plan") || going === 0) return { value: planned, lines };
      const question = [...lines, `Remove ${going} points?`].join("\n");
      if (!isSet(args, "yes") && !(await confirm(question))) {
        throw new AppError("REFUSED", "forget: not confirmed", {
          hint: "Without a terminal, confirm with --yes.",
        });
      }
      const value = await forget(system, { points, plan: false }, reasonOf(args), run);
      return { value, lines: [`${value.removed.length} points removed.`] };
    });
  },
};
