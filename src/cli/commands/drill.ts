import { AppError, ERRORS } from "../../base/errors.ts";
import { drill } from "../../operations/drill/drill.ts";
import {
  type Evidence,
  FAULTS,
  listEvidence,
  readEvidence,
  VERDICTS,
} from "../../operations/drill/evidence.ts";
import { type Command, reasonOf } from "../command.ts";
import { formatMs, table } from "../format.ts";

const LISTED_MAX = 100;

export const drillCommand: Command = {
  name: "drill",
  summary:
    "Restores a point into a place apart, starts the application there, asks its checks, and measures how long " +
    "that took and what would have been lost. What is live is not touched.",
  arguments: "[point|random|list|show] [drill]",
  options: [["--reason <text>", "why, for the history"]],
  examples: [
    "lastgood drill",
    "lastgood drill random",
    "lastgood drill 20260407T060000Z",
    "lastgood drill list",
    "lastgood drill show latest   # the evidence, as Markdown",
  ],

  async run(args, { withSystem, run }) {
    const [word = "latest", which = "latest"] = args.positionals;
    if (word !== "show" && args.positionals.length > 1) {
      throw new AppError("USAGE", `drill ${word}: ${which} means nothing here`, {
        hint: "See: lastgood drill --help",
      });
    }
    if (word === "list") {
      const drills = await withSystem((system) => listEvidence(system, LISTED_MAX));
      return { value: { drills }, lines: listed(drills) };
    }
    if (word === "show") {
      const { evidence, markdown } = await withSystem((system) => readEvidence(system, which));
      return { value: evidence, lines: markdown.split("\n") };
    }
    const options = { named: word, reason: reasonOf(args) };
    const value = await withSystem((system) => drill(system, options, run));
    return { value, exit: exitOf(value), lines: told(value) };
  },
};

function exitOf({ verdict, fault }: Evidence): number {
  if (verdict !== "failed") return 0;
  return fault === "backup" ? ERRORS.POINT_INVALID.exit : ERRORS.UNHEALTHY.exit;
}

function told(evidence: Evidence): string[] {
  const { id, point, verdict, fault, problem, reasons, recovery, dataLoss } = evidence;
  return [
    `${VERDICTS[verdict]} Point ${point}.`,
    ...(problem === undefined ? [] : [`  ${FAULTS[fault ?? "unclear"]} ${problem}`]),
    ...(recovery.ms === undefined ? [] : [`  recovery time: ${formatMs(recovery.ms)}`]),
    `  data that would have been lost: those of ${formatMs(dataLoss.ms ?? 0)}`,
    ...[
      { what: "recovery time", ...recovery },
      { what: "data loss", ...dataLoss },
    ]
      .filter(({ ms, objectiveMs }) => (ms ?? 0) > (objectiveMs ?? Infinity))
      .map(
        ({ what, objectiveMs }) => `  ${what}: longer than the ${formatMs(objectiveMs!)} promised`,
      ),
    ...reasons.map((reason) => `  not tried: ${reason}`),
    `The evidence: lastgood drill show ${id}`,
  ];
}

function listed(drills: readonly Evidence[]): string[] {
  if (drills.length === 0) return ["No drill yet: lastgood drill"];
  return table(
    ["DRILL", "POINT", "VERDICT", "RECOVERY", ""],
    drills.map(({ id, point, verdict, recovery, problem, reasons }) => [
      id,
      point,
      verdict,
      recovery.ms === undefined ? "" : formatMs(recovery.ms),
      problem ?? reasons.join("; "),
    ]),
  );
}
