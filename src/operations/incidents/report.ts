import type { AuditEntry } from "../../journal/audit.ts";
import type { Progress } from "../../journal/journal.ts";
import type { System } from "../system.ts";
import { describe } from "./digest.ts";
import type { Incident } from "./incidents.ts";

/** One line of what happened. */
export type TimelineEntry = { readonly at: string; readonly text: string };

export type IncidentReport = Incident & {
  readonly timeline: readonly TimelineEntry[];
  /** From detection to recovery; undefined: it lasts. */
  readonly downMs: number | undefined;
  readonly rolledBack: readonly string[];
  readonly dataLost: readonly string[];
  /** In the template of the procedures. */
  readonly markdown: string;
};

/** All that is known of an incident, with the report that people complete. */
export function reportOf({ journal }: System, incident: Incident): IncidentReport {
  const operations = incident.operations.flatMap((id) => journal.find(id) ?? []);
  const entries = operations.flatMap(({ id }) => journal.audit.of(id));
  const ofOperations = entries.flatMap((entry) => timelineOf(entry, operations));
  const timeline = [...incident.events, ...ofOperations].toSorted((a, b) =>
    a.at < b.at ? -1 : Number(a.at > b.at),
  );
  const { detected, recovered } = incident;
  const known = {
    ...incident,
    timeline,
    downMs: timeBetween(detected, recovered),
    rolledBack: operations.flatMap(rolledBackBy),
    dataLost: operations.flatMap(dataLostBy),
  };
  return { ...known, markdown: markdownOf(known, entries) };
}

/** Undefined also where a clock was put back meanwhile: then nobody knows. */
function timeBetween(from: string, to: string | undefined): number | undefined {
  const ms = to === undefined ? -1 : Date.parse(to) - Date.parse(from);
  return ms < 0 ? undefined : ms;
}

function timelineOf(
  { at, what, of }: AuditEntry,
  operations: readonly Progress[],
): TimelineEntry[] {
  const operation = operations.find(({ id }) => id === of)!;
  const { outcome, plan, sequence } = operation;
  // What has no plan is begun and ended in one entry.
  if (plan.steps.length === 0) return [];
  if (what === "begun") return [{ at, text: `${describe(operation)} begun` }];
  if (what === "back") return [{ at, text: "it goes back" }];
  const depth = plan.ways[sequence - 1]?.depth;
  const how = depth === undefined ? "" : `, back to ${depth}`;
  return [{ at, text: `${describe(operation)} ended: ${outcome}${how}` }];
}

function rolledBackBy({ setup, outcome, sequence, plan }: Progress): string[] {
  const { release } = setup as {
    release?: { component: string; from?: string; to: string; factory?: string };
  };
  const isBack = outcome === "rolled-back" || outcome === "rolled-back-to-factory";
  if (release === undefined || !isBack) return [];
  const isFactory = plan.ways[sequence - 1]?.depth === "factory";
  const factory = release.factory === undefined ? "factory" : `factory (${release.factory})`;
  const to = isFactory ? factory : release.from;
  return [`${release.component} from ${release.to} to ${to ?? "nothing: it was the first"}`];
}

/** What of the data went back, or may have, and where what was written since lies. */
function dataLostBy({ kind, plan, outcome, sequence, begun }: Progress): string[] {
  const isForward = outcome === "committed";
  const steps = isForward ? plan.steps : (plan.ways[sequence - 1]?.steps ?? []);
  if (begun === 0) return [];
  return steps.flatMap((step) => {
    if (!("slot" in step) || !step.slot.includes("/")) return [];
    // A restore that goes back gives up only what came out of the point.
    if (step.act === "active" && (isForward || kind !== "restore")) {
      return [
        `${step.slot} went to ${step.version}; what was live then is kept as ${step.displaced}`,
      ];
    }
    if (step.act !== "readable") return [];
    return [
      `${step.slot}: put back, if the release before could not have read it; what was written meanwhile is then kept as ${step.displaced}`,
    ];
  });
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

type Known = Omit<IncidentReport, "markdown">;

const TIME_LENGTH = "2026-04-07T06:00:00".length;

function markdownOf(known: Known, entries: readonly AuditEntry[]): string {
  const { title, detected, recovered, said, components, downMs, rolledBack, dataLost } = known;
  const time = (at: string | undefined): string =>
    at === undefined ? "[TIME]" : `${at.slice(0, TIME_LENGTH).replace("T", " ")} UTC`;
  const back = entries.find(({ what }) => what === "back")?.at ?? known.timeline.at(0)?.at;
  const resolution = [
    ...rolledBack.map((one) => `Rolled back by lastgood: ${one}.`),
    ...(known.events.length > 1 ? [`${capital(known.events.at(-1)!.text)}.`] : []),
  ];
  const impact = [
    `Affected: ${components.join(", ")}.`,
    recovered === undefined
      ? known.closed === undefined
        ? "It lasts."
        : "Somebody closed it; when it ended was not seen."
      : downMs === undefined
        ? "How long it lasted is unknown: a clock was changed meanwhile."
        : `From detection to recovery: ${(downMs / 1000).toFixed(1)} s.`,
    ...(dataLost.length === 0 ? [] : [`Data: ${dataLost.join("; ")}.`]),
  ];
  const or = (text: string, else_: string): string => (text === "" ? else_ : text);
  const lines = [
    `## Incident Report - ${detected.slice(0, 10)}`,
    "",
    `**Summary**: ${or(said.summary, title)}`,
    "",
    "**Timeline**:",
    `- ${time(detected)} Issue detected`,
    ...(rolledBack.length > 0 ? [`- ${time(back)} Rollback initiated`] : []),
    `- ${time(recovered)} System restored`,
    `- ${time(recovered)} Validation complete`,
    "",
    ...known.timeline.map(({ at, text }) => `  - ${time(at)} ${text}`),
    "",
    `**Root Cause**: ${or(said.rootCause, "[What caused the issue]")}`,
    "",
    `**Resolution**: ${[...resolution, said.resolution].filter(Boolean).join(" ") || "[What was done to fix it]"}`,
    "",
    `**Impact**: ${[...impact, said.impact].filter(Boolean).join(" ")}`,
    "",
    `**Prevention**: ${or(said.prevention, "[How to prevent in future]")}`,
    "",
    "**Action Items**:",
    ...(said.actionItems.length === 0 ? ["[Task 1]"] : said.actionItems).map(
      (one) => `- [ ] ${one}`,
    ),
    "",
  ];
  return lines.join("\n");
}
