import { AppError } from "../../base/errors.ts";
import { listReleases } from "../../operations/releases/candidates.ts";
import {
  previewRollback,
  rollback,
  type RollbackOptions,
  type RollbackPreview,
} from "../../operations/releases/rollback.ts";
import { type Arguments, type Command, isSet, reasonOf, textOption } from "../command.ts";
import { describePlan, describeRelease } from "./deploy.ts";
import { describeReleases } from "./releases.ts";

export const rollbackCommand: Command = {
  name: "rollback",
  summary: "Makes an earlier release the live one, with its data where that is needed.",
  arguments: "[component]",
  options: [
    ["--to <release>", "previous, factory or a version; without it the candidates are listed"],
    ["--with-data", "bring back the data with which it ran"],
    ["--code-only", "leave the data as they are, even where it may not read them"],
    ["--plan", "show what would be done and lost; change nothing"],
    ["--yes", "do not ask"],
    ["--force", "to a release that is marked as bad"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: [
    "lastgood rollback device",
    "lastgood rollback device --to previous",
    "lastgood rollback device --to 1.1.0 --with-data --plan",
  ],

  async run(args, { withSystem, run, confirm }) {
    const [component] = args.positionals;
    const to = textOption(args, "to");
    return await withSystem(async (system) => {
      if (to === undefined) {
        const value = await listReleases(system, component, run);
        const lines = [...describeReleases(value), "", "Choose one: --to previous|factory|VERSION"];
        return { value, lines };
      }
      const options = optionsOf(args, to);
      if (isSet(args, "plan") || !isSet(args, "yes")) {
        const preview = await previewRollback(system, component, options, run);
        const lines = describePreview(preview);
        if (isSet(args, "plan")) return { value: preview, lines };
        if (!(await confirm([...lines, "Roll back?"].join("\n")))) {
          throw new AppError("REFUSED", `roll back to ${preview.to}: not confirmed`, {
            hint: "Look at it with --plan; without a terminal, confirm with --yes.",
          });
        }
      }
      return describeRelease(await rollback(system, component, options, run));
    });
  },
};

function optionsOf(args: Arguments, to: string): RollbackOptions {
  const withData = isSet(args, "withData");
  const codeOnly = isSet(args, "codeOnly");
  if (withData && codeOnly) {
    throw new AppError("USAGE", "rollback: --with-data and --code-only exclude each other");
  }
  const data = withData ? "with-data" : codeOnly ? "code-only" : "as-needed";
  return { to, data, reason: reasonOf(args), force: isSet(args, "force") };
}

function describePreview({
  from,
  to,
  verdict,
  stores,
  data,
  loss,
  plan,
}: RollbackPreview): string[] {
  return [
    `${from ?? "nothing"} → ${to}: with the data as they are: ${verdict}`,
    ...stores.map(({ store, verdict: its, why }) => `  ${store}: ${its}: ${why}`),
    ...(data === undefined
      ? ["The data stay as they are."]
      : [
          `Data of ${data.at} come back: ${data.stores.join(", ")}.`,
          "What would be lost (it lies aside, for lastgood undo):",
          ...Object.entries(loss).flatMap(([store, lines]) =>
            (lines.length === 0 ? ["no rows fewer or more"] : lines).map(
              (line) => `  ${store}: ${line}`,
            ),
          ),
        ]),
    ...describePlan("It would do", plan),
  ];
}
