import type { Run } from "../base/events.ts";
import type { Verdict } from "../checks/check.ts";
import type { Outcome } from "../journal/journal.ts";
import { sampleChecks } from "./acts.ts";
import { readCatalogue } from "./points/catalogue.ts";
import type { System } from "./system.ts";
import { listUndoable } from "./undo.ts";

export type Status = {
  readonly ok: boolean;
  readonly sentence: string;
  readonly components: Readonly<
    Record<string, { readonly checks: Readonly<Record<string, Verdict>> }>
  >;
  /** As last seen; undefined when never. */
  readonly points:
    | {
        readonly valid: number;
        readonly invalid: number;
        readonly newest: string | undefined;
        readonly seen: string;
      }
    | undefined;
  readonly unfinished: readonly string[];
  readonly needsHuman: readonly string[];
  readonly undoable: readonly {
    readonly operation: string;
    readonly kind: string;
    readonly until: string;
  }[];
  readonly last:
    | { readonly operation: string; readonly kind: string; readonly outcome: Outcome | undefined }
    | undefined;
};

const RECENT = 20;

/** How things stand, without opening the repository: what is known of points has an age. */
export async function status(system: System, run: Run): Promise<Status> {
  const [catalogue, baseline, undoable] = await Promise.all([
    readCatalogue(system),
    sampleChecks(system.components, run),
    listUndoable(system),
  ]);
  const recent = system.journal.history(RECENT);
  const [last] = recent;
  const unfinished = system.journal.unfinished().map(({ id }) => id);
  const valid = catalogue?.points.filter((point) => point.valid) ?? [];
  const points =
    catalogue === undefined
      ? undefined
      : {
          valid: valid.length,
          invalid: catalogue.points.length - valid.length,
          newest: valid.at(-1)?.stamp,
          seen: catalogue.at,
        };
  const bad = Object.entries(baseline).filter(([, verdict]) => verdict === "bad");
  const needsHuman = last?.outcome === "needs-human" ? [last.id] : [];
  const problems = [
    ...unfinished.map((id) => `operation ${id} was interrupted: lastgood recover`),
    ...needsHuman.map((id) => `operation ${id} needs you: lastgood history`),
    ...bad.map(([name]) => `check ${name} is bad`),
    ...(valid.length === 0 ? ["there is no valid recovery point yet: lastgood backup"] : []),
  ];
  return {
    ok: problems.length === 0,
    sentence: problems[0] ?? `All is well. Newest recovery point: ${points?.newest}.`,
    components: byComponent(baseline),
    points,
    unfinished,
    needsHuman,
    undoable: undoable.map(({ operation }) => ({
      operation: operation.id,
      kind: operation.kind,
      until: new Date(Date.parse(operation.started) + system.config["undo-for"]).toISOString(),
    })),
    last: last && { operation: last.id, kind: last.kind, outcome: last.outcome },
  };
}

function byComponent(baseline: Readonly<Record<string, Verdict>>): Status["components"] {
  const components: Record<string, { checks: Record<string, Verdict> }> = {};
  for (const [key, verdict] of Object.entries(baseline)) {
    const [component = "", check = ""] = key.split("/");
    (components[component] ??= { checks: {} }).checks[check] = verdict;
  }
  return components;
}
