import { hold, resume } from "../../operations/releases/pause.ts";
import { type Command, reasonOf } from "../command.ts";

export const holdCommand: Command = {
  name: "hold",
  summary: "Has deploys of a component refused until lastgood resume. Rolling back stays possible.",
  arguments: "[component]",
  options: [["--reason <text>", "why, for whoever wants to deploy"]],
  examples: ["lastgood hold device --reason 'until the fair is over'"],

  async run(args, { withSystem }) {
    const value = await withSystem((system) => hold(system, args.positionals[0], reasonOf(args)));
    return { value, lines: [`Deploys of ${value.component} are held: ${value.why}`] };
  },
};

export const resumeCommand: Command = {
  name: "resume",
  summary: "Lets deploys of a component go on, after a hold or a rollback.",
  arguments: "[component]",
  options: [["--reason <text>", "why, for the history"]],
  examples: ["lastgood resume device"],

  async run(args, { withSystem }) {
    const value = await withSystem((system) => resume(system, args.positionals[0], reasonOf(args)));
    return { value, lines: [`${value.component} can be deployed again.`] };
  },
};
