import { startComponents, stopComponents } from "../../operations/stop-start.ts";
import { type Command, reasonOf } from "../command.ts";

export const stopCommand: Command = {
  name: "stop",
  summary: "Stops a component with all that depend on it, or everything; dependents first.",
  arguments: "[component]",
  options: [["--reason <text>", "why, for the history"]],
  examples: ["lastgood stop", "lastgood stop device --reason 'new disk'"],

  async run(args, { withSystem, run }) {
    const [named] = args.positionals;
    const value = await withSystem((system) => stopComponents(system, named, reasonOf(args), run));
    return { value, lines: [`Stopped: ${value.stopped.join(", ")}`] };
  },
};

export const startCommand: Command = {
  name: "start",
  summary: "Starts a component with all that depend on it, or everything; dependencies first.",
  arguments: "[component]",
  options: [["--reason <text>", "why, for the history"]],
  examples: ["lastgood start", "lastgood start device"],

  async run(args, { withSystem, run }) {
    const [named] = args.positionals;
    const value = await withSystem((system) => startComponents(system, named, reasonOf(args), run));
    return { value, lines: [`Started and healthy: ${value.started.join(", ")}`] };
  },
};
