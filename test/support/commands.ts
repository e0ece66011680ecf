import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Event } from "../../src/base/events.ts";
import { runCli } from "../../src/cli/cli.ts";
import { jsonOutput } from "../../src/cli/output.ts";
import type { CommandEnd, RunCommand } from "../../src/operations/runs/child.ts";

type Line =
  | Event
  | { type: "result"; value: unknown }
  | ({ type: "error" } & NonNullable<CommandEnd["error"]>);

/** Runs commands of lastgood in this process, so that a test can set their clock. */
export function commandsIn(folder: string, clock: Clock = systemClock): RunCommand {
  return async (command, who, run) => {
    let value: unknown;
    let error: CommandEnd["error"];
    const output = jsonOutput((text) => {
      const line = JSON.parse(text) as Line;
      if (line.type === "result") ({ value } = line);
      else if (line.type === "error") error = line;
      else run.report(line);
    });
    const exit = await runCli([...command, "--json"], {
      env: { LASTGOOD_WHO: who },
      clock,
      folder,
      signal: run.signal,
      output,
      print: () => {},
      confirm: async () => false,
      serve: async () => "stopped",
      program: [],
    });
    return { exit, value, error };
  };
}
