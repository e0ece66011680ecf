import path from "node:path";
import { hasCode } from "../../base/errors.ts";
import { findState } from "../../config/load.ts";
import { saveGivenUp } from "../../operations/given-up.ts";
import { recover, recoverable, type Recovered, recoverState } from "../../operations/recover.ts";
import { type Arguments, type Command, type Context, isSet, textOption } from "../command.ts";
import { OUTCOMES } from "../outcome.ts";

export const recoverCommand: Command = {
  name: "recover",
  summary: "Ends operations that a crash interrupted: what was not finished goes back.",
  options: [
    ["--boot", "only what was interrupted, not what needed a human"],
    ["--state <folder>", "the state folder, if the configuration no longer says where it is"],
  ],
  examples: ["lastgood recover"],

  async run(args, context) {
    const value = await recoverBy(args, context);
    const failed = value.operations.find(({ outcome }) => outcome === "needs-human");
    return {
      value,
      exit: failed === undefined ? 0 : OUTCOMES["needs-human"].exit,
      lines:
        value.operations.length === 0
          ? ["Nothing was interrupted."]
          : value.operations.map(({ operation, outcome }) => `${operation}: ${outcome}`),
    };
  },
};

async function recoverBy(args: Arguments, context: Context): Promise<Recovered> {
  const state = textOption(args, "state");
  const which = isSet(args, "boot") ? "interrupted" : "needs-human too";
  const { folder, configFile, run } = context;
  if (state !== undefined) {
    return await recoverState(path.resolve(folder, state), folder, context, run);
  }
  try {
    return await context.withSystem(async (system) => {
      const recovered = await recover(recoverable(system), run, which);
      // At the start of a machine the way to the repository may not be there yet: the next backup does it.
      if (recovered.operations.length > 0 && which !== "interrupted")
        await saveGivenUp(system, run);
      return recovered;
    });
  } catch (error) {
    if (!hasCode(error, "CONFIG_INVALID")) throw error;
    const message = `${(error as Error).message}; what to do is read from the journal`;
    run.report({ type: "warning", message });
    const found = await findState(configFile, folder);
    return await recoverState(found.state, found.folder, context, run);
  }
}
