import { status } from "../../operations/status.ts";
import type { Command } from "../command.ts";

/** Something needs looking at. */
const EXIT_NOT_OK = 1;

export const statusCommand: Command = {
  name: "status",
  summary: "Says in a sentence how things stand, and what to do. Does not open the repository.",
  examples: ["lastgood status", "lastgood status --json"],

  async run(_args, { withSystem, run }) {
    const value = await withSystem((system) => status(system, run));
    const { ok, sentence, problems, components, points, undoable, last, schedule } = value;
    return {
      value,
      exit: ok ? 0 : EXIT_NOT_OK,
      lines: [
        sentence,
        ...problems.slice(1),
        ...Object.entries(components).flatMap(([name, { checks, release }]) => [
          ...(release === undefined ? [] : [`  ${name}: release ${release} is live`]),
          ...Object.entries(checks).map(([check, verdict]) => `  ${name}/${check}: ${verdict}`),
        ]),
        ...(points === undefined
          ? []
          : [
              `  ${points.valid} valid points, ${points.invalid} invalid, as seen at ${points.seen}`,
            ]),
        ...schedule.map(
          ({ job, next, succeeded, error }) =>
            `  ${job}: ${succeeded === undefined ? "not done by the schedule yet" : `done ${succeeded}`}` +
            `${error === undefined ? "" : `, failed since: ${error}`}; next ${next ?? "never"}`,
        ),
        ...undoable.map(
          ({ operation, until, orDeploy }) =>
            `  can be undone until ${until}${orDeploy ? " or the next deploy" : ""}: ${operation}`,
        ),
        ...(last === undefined
          ? []
          : [`  last: ${last.kind}, ${last.outcome ?? "not ended"} (${last.operation})`]),
      ],
    };
  },
};
