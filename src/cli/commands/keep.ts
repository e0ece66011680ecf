import { AppError } from "../../base/errors.ts";
import { pin } from "../../operations/points/pin.ts";
import { keep } from "../../operations/set-aside.ts";
import { recordDone } from "../../operations/record.ts";
import { type Command, reasonOf, textOption } from "../command.ts";

export const keepCommand: Command = {
  name: "keep",
  summary: "Confirms an operation: it can no longer be undone, and its set-aside data go.",
  arguments: "[operation]",
  options: [
    ["--pin <point>", "keep a recovery point whatever the policy says"],
    ["--unpin <point>", "let the policy decide about it again"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: ["lastgood keep", "lastgood keep --pin 20261121T030000Z"],

  async run(args, { withSystem, run }) {
    const [pinned, unpinned] = [textOption(args, "pin"), textOption(args, "unpin")];
    if (pinned !== undefined && unpinned !== undefined) {
      throw new AppError("USAGE", "keep: --pin or --unpin, not both");
    }
    return await withSystem(async (system) => {
      if (pinned !== undefined || unpinned !== undefined) {
        const word = pinned === undefined ? "unpinned" : "pinned";
        const value = await pin(system, (pinned ?? unpinned)!, word, reasonOf(args), run);
        recordDone(system, `${word} ${value.stamp}`, reasonOf(args), undefined);
        return { value, lines: [`${value.stamp} is ${word}.`] };
      }
      const value = await keep(system, args.positionals[0], run);
      recordDone(system, `keep ${value.kept}`, reasonOf(args), undefined);
      return { value, lines: [`${value.kept} is confirmed.`] };
    });
  },
};
