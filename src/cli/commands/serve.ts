import type { Command } from "../command.ts";

export const serveCommand: Command = {
  name: "serve",
  summary:
    "Runs as a service: does what is scheduled, watches health, tells who wants to know, and answers the console and the API.",
  examples: ["lastgood serve", "lastgood -c /etc/lastgood/lastgood.yaml serve"],

  async run(_args, { withSystem, serve, run }) {
    while ((await withSystem((system) => serve(system, run))) === "changed");
    return { value: { stopped: true }, lines: ["Stopped."] };
  },
};
