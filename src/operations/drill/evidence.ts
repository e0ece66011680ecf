import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere } from "../../base/errors.ts";
import { exactSpan } from "../../base/span.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Facts } from "../../stores/store.ts";
import type { System } from "../system.ts";
import type { TriedCheck } from "./inside.ts";

/**
 * Who is to look at a failure: whoever keeps the backups, or whoever keeps the machine; `unclear`: the
 * application ended before it could be asked, and did not say why.
 */
export type Fault = "backup" | "surroundings" | "unclear";

/** Against what it was to be; undefined: it was not measured, or nobody said. */
export type Measured = {
  readonly ms: number | undefined;
  readonly objectiveMs: number | undefined;
};

/** What a drill found: state/drills/ID.json, and the same for people in ID.md. Fields may be added. */
export type Evidence = {
  readonly format: 1;
  readonly id: string;
  readonly system: string;
  readonly reason: string;
  readonly started: string;
  readonly ended: string;
  /** The stamp of the point. */
  readonly point: string;
  readonly releases: Readonly<Record<string, string>>;
  /**
   * `proven`: every component ran on the restored data, and its checks were good. `data-proven`: the data
   * were restored and looked into; `reasons` says what was not tried. `failed`: see `problem`.
   */
  readonly verdict: "proven" | "data-proven" | "failed";
  readonly fault?: Fault;
  readonly problem?: string;
  readonly reasons: readonly string[];
  /** What is worth knowing and proves nothing less. */
  readonly notes: readonly string[];
  readonly recovery: Measured;
  readonly dataLoss: Measured;
  readonly stores: readonly {
    readonly store: string;
    readonly elapsedMs: number;
    readonly facts?: Facts;
    readonly problems: readonly string[];
  }[];
  readonly checks: readonly TriedCheck[];
  /** What the applications printed last, where something went wrong. */
  readonly lastWords: readonly string[];
};

const folderOf = ({ paths }: Pick<System, "paths">): string => path.join(paths.state, "drills");

export async function writeEvidence(system: System, evidence: Evidence): Promise<void> {
  const file = path.join(folderOf(system), evidence.id);
  const json = Buffer.from(`${JSON.stringify(evidence, undefined, 2)}\n`);
  await writeFileDurable(`${file}.md`, Buffer.from(markdownOf(evidence)), "refuse");
  await writeFileDurable(`${file}.json`, json, "refuse");
}

/** All drills, newest first; what cannot be read is left out. */
export async function listEvidence(
  system: Pick<System, "paths">,
  limit: number,
): Promise<Evidence[]> {
  const names = await readdir(folderOf(system)).catch(nothingThere);
  const newest = (names ?? [])
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .toReversed()
    .slice(0, limit);
  const all = await Promise.all(
    newest.map(async (name) => {
      try {
        return [JSON.parse(await readFile(path.join(folderOf(system), name), "utf8")) as Evidence];
      } catch {
        // One damaged file must not hide the others.
        return [];
      }
    }),
  );
  return all.flat();
}

/** One drill, by the beginning of its id or "latest". NOT_FOUND. */
export async function readEvidence(
  system: Pick<System, "paths">,
  named: string,
): Promise<{ evidence: Evidence; markdown: string }> {
  const all = await listEvidence(system, Infinity);
  const found = named === "latest" ? all[0] : all.find(({ id }) => id.startsWith(named));
  if (found === undefined) {
    throw new AppError("NOT_FOUND", `find drill ${named}: there is none`, {
      hint: "See them with: lastgood drill list",
    });
  }
  return { evidence: found, markdown: markdownOf(found) };
}

/** What is kept of a drill, to be handed to somebody. */
function markdownOf(evidence: Evidence): string {
  const { system, point, verdict, stores, checks, reasons } = evidence;
  const lines = [
    `# Restore drill ${evidence.id}`,
    "",
    `**${VERDICTS[verdict]}** System ${system}, recovery point ${point}, begun ${evidence.started}, ended ${evidence.ended}.`,
    "",
    ...(evidence.problem === undefined
      ? []
      : [`${FAULTS[evidence.fault ?? "unclear"]} ${evidence.problem}`, ""]),
    "| | measured | objective | |",
    "|---|---|---|---|",
    measuredLine("Recovery time", evidence.recovery),
    measuredLine("Data that would have been lost", evidence.dataLoss),
    "",
    "## Data",
    "",
    "| store | restored in | bytes | rows or files | found |",
    "|---|---|---|---|---|",
    ...stores.map(
      ({ store, elapsedMs, facts, problems }) =>
        `| ${store} | ${exactSpan(elapsedMs)} | ${facts?.bytes ?? ""} | ${amount(facts)} | ${problems.join(", ") || "as it was captured"} |`,
    ),
    "",
    "## Checks",
    "",
    ...(checks.length === 0
      ? ["None was asked."]
      : ["| check | need | verdict | |", "|---|---|---|---|"]),
    ...checks.map(
      ({ component, check, need, verdict: one, detail }) =>
        `| ${component}/${check} | ${need} | ${one} | ${detail.replaceAll("|", "\\|")} |`,
    ),
    "",
    ...(evidence.notes.length === 0
      ? []
      : ["## Notes", "", ...evidence.notes.map((one) => `- ${one}`), ""]),
    ...(evidence.lastWords.length === 0
      ? []
      : ["## What the application printed last", "", "```", ...evidence.lastWords, "```", ""]),
    ...(reasons.length === 0 ? [] : ["## Not tried", "", ...reasons.map((one) => `- ${one}`), ""]),
  ];
  return lines.join("\n");
}

export const VERDICTS: Readonly<Record<Evidence["verdict"], string>> = {
  proven: "Proven: the application ran on the restored data.",
  "data-proven": "Data proven, application not.",
  failed: "Failed.",
};

export const FAULTS: Readonly<Record<Fault, string>> = {
  backup: "At fault: the backup.",
  surroundings: "At fault: the surroundings.",
  unclear: "Whose fault it is, is unclear: it did not start, and its last words do not say why.",
};

function measuredLine(what: string, { ms, objectiveMs }: Measured): string {
  const isMet = ms === undefined || objectiveMs === undefined ? "" : ms <= objectiveMs;
  const met = isMet === "" ? "" : isMet ? "met" : "missed";
  const objective = objectiveMs === undefined ? "" : exactSpan(objectiveMs);
  return `| ${what} | ${ms === undefined ? "not reached" : exactSpan(ms)} | ${objective} | ${met} |`;
}

function amount(facts: Facts | undefined): string {
  const rows = Object.values(facts?.rows ?? {});
  if (rows.length > 0) return `${rows.reduce((a, b) => a + b, 0)} rows`;
  return facts?.files === undefined ? "" : `${facts.files} files`;
}
