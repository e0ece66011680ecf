import type { AuditEntry } from "../../journal/audit.ts";
import { CANCELLED } from "../../journal/carry-out.ts";
import type { Outcome, Progress, Scope } from "../../journal/journal.ts";
import { translateDiskError } from "../../base/disk-errors.ts";
import type { Run } from "../../base/events.ts";
import type { Notice } from "../../notifiers/notifier.ts";
import { queueNotice } from "../notices/notice.ts";
import { newOperationId } from "../record.ts";
import type { System } from "../system.ts";
import { componentsOf } from "../unfinished.ts";
import { type Incident, Incidents, JOB_KEY } from "./incidents.ts";

/** What goes wrong without anything having to be taken back, and is well once it succeeds. */
const JOBS: ReadonlySet<string> = new Set(["backup", "drill", "check", "prune", "forget", "copy"]);
/** After one of these what is live is as somebody wants it. */
const SETTLING: ReadonlySet<string> = new Set(["restore", "undo", "deploy", "rollback"]);
const WENT_BACK: ReadonlySet<Outcome> = new Set(["rolled-back", "rolled-back-to-factory"]);

const SEEN = "audit";
const ENTRIES_AT_ONCE = 500;
/** Where nobody has looked yet, what is older than this is nobody's news. */
const NEWS_MS = 3_600_000;

type Ended = {
  readonly kind: string;
  readonly outcome?: Outcome;
  readonly error?: string;
  readonly scope?: Scope;
};

/**
 * Looks through what has ended since the last look: opens incidents, ends them, and puts what people
 * want to hear of into the outbox. Each entry is looked at once, whoever does it. Best effort: what
 * was done was done, whether or not it can be written down.
 */
export function digest(system: System, run: Run): void {
  try {
    using incidents = new Incidents(system.paths.state);
    for (;;) {
      if (incidents.together(() => digestSome(system, incidents, run)) === "nothing new") return;
    }
  } catch (error) {
    const { message } = translateDiskError(
      error,
      `open incidents in ${system.paths.state}`,
    ) as Error;
    run.report({ type: "warning", message });
  }
}

function digestSome(system: System, incidents: Incidents, run: Run): "nothing new" | "some" {
  const { journal, host } = system;
  const seen = incidents.seen(SEEN);
  const entries = journal.audit.since(whereWeWere(system, seen), ENTRIES_AT_ONCE);
  const last = entries.at(-1);
  if (last === undefined) return "nothing new";
  incidents.see(SEEN, `${last.seq} ${last.hash}`);
  const oldest = new Date(host.clock.now().getTime() - NEWS_MS).toISOString();
  const notices = entries
    .filter(({ what, at }) => what === "ended" && (seen !== undefined || at >= oldest))
    .flatMap((entry) => {
      try {
        return noteEnd(system, incidents, entry);
      } catch (error) {
        // What one entry leads to may be gone; the others are news all the same.
        const message = `incidents: entry ${entry.seq}: ${(error as Error).message}`;
        run.report({ type: "warning", message });
        return [];
      }
    });
  // Rather told twice than never, should we be ended between the two.
  for (const notice of notices) queueNotice(system, notice);
  return "some";
}

/** The entry that was seen last; 0 where it is none of this log, which was made anew since. */
function whereWeWere({ journal }: System, seen: string | undefined): number {
  const [seq = "0", hash] = (seen ?? "").split(" ");
  return journal.audit.hashAt(Number(seq)) === hash ? Number(seq) : 0;
}

function noteEnd(system: System, incidents: Incidents, entry: AuditEntry): Notice[] {
  const { kind, outcome, error, scope } = JSON.parse(entry.facts) as Ended;
  const noted: Noted = { system, incidents, entry, scope, error: error ?? "" };
  if (JOBS.has(kind)) {
    return outcome === "committed" ? jobIsWell(noted, kind) : jobFailed(noted, kind);
  }
  if (kind.startsWith("keep ")) return settled(noted, [kind.slice("keep ".length)], [], kind);
  if (!SETTLING.has(kind)) return [];
  const operation = system.journal.read(entry.of);
  if (outcome === "needs-human") return wentWrong(noted, operation);
  if (outcome === "committed") {
    return settled(noted, [operation.id], componentsOf(operation), describe(operation));
  }
  const isBack = outcome !== undefined && WENT_BACK.has(outcome);
  return isBack || wasStopped(operation) ? wentBack(noted, operation) : [];
}

/** Nothing was switched, and yet the application was down, or its data were touched. */
function wasStopped({ plan, begun }: Progress): boolean {
  return plan.steps.slice(0, begun).some(({ act }) => act === "stopped" || act === "migrated");
}

type Noted = {
  readonly system: System;
  readonly incidents: Incidents;
  readonly entry: AuditEntry;
  readonly scope: Scope | undefined;
  readonly error: string;
};

function jobFailed({ system, incidents, entry, error, scope }: Noted, kind: string): Notice[] {
  const key = `${JOB_KEY}${kind}`;
  const text = `${kind} failed: ${error}`;
  const lasting = incidents.lasting(key);
  if (lasting !== undefined) {
    const operations = [...lasting.operations, entry.of];
    const both = together(lasting.scope, scope);
    const changed = { operations, ...(both === undefined ? {} : { scope: both }) };
    incidents.change(lasting, changed, { at: entry.at, text });
    return [];
  }
  const components = system.components.map(({ name }) => name);
  const opened = incidents.open({
    id: newOperationId(system),
    key,
    title: text,
    components,
    detected: entry.at,
    operations: [entry.of],
    scope,
  });
  return [noticeOf(system, "failure", opened, text)];
}

function together(a: Scope | undefined, b: Scope | undefined): Scope | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return { of: [...new Set([...a.of, ...b.of])], depth: Math.max(a.depth, b.depth) };
}

/** What succeeded for less than what failed says nothing of the rest. */
function suffices(done: Scope | undefined, wanted: Scope | undefined): boolean {
  if (wanted === undefined) return true;
  return (
    done !== undefined &&
    done.depth >= wanted.depth &&
    wanted.of.every((one) => done.of.includes(one))
  );
}

function jobIsWell({ system, incidents, entry, scope }: Noted, kind: string): Notice[] {
  const lasting = incidents.lasting(`${JOB_KEY}${kind}`);
  if (lasting === undefined || !suffices(scope, lasting.scope)) return [];
  const text = `${kind} succeeded again`;
  const operations = [...lasting.operations, entry.of];
  const ended = { recovered: entry.at, operations };
  incidents.change(lasting, ended, { at: entry.at, text });
  return [noticeOf(system, "recovery", lasting, text)];
}

const BACK: Partial<Record<Outcome, string>> = {
  "rolled-back": "what was live before is live again, and its checks are no worse than before",
  "rolled-back-to-factory": "the factory version is live",
  aborted: "nothing was switched, and what ran runs again",
};

/** It failed, and what was live before is live again: over before anybody reads of it. */
function wentBack(noted: Noted, operation: Progress): Notice[] {
  const { system, incidents, entry, error } = noted;
  // Nothing was wrong: somebody wanted it.
  const before = lastingOf(incidents, operation.id);
  if (error === CANCELLED && before === undefined) return [];
  const title = `${describe(operation)}: ${operation.outcome}: ${error}`;
  const opened = before ?? openFor(noted, operation, title);
  const text = BACK[operation.outcome ?? "rolled-back"] ?? "it went back";
  incidents.change(opened, { recovered: entry.at }, { at: entry.at, text });
  return [
    noticeOf(
      system,
      before === undefined ? "failure" : "recovery",
      opened,
      `${title}. Now ${text}.`,
    ),
  ];
}

function lastingOf(incidents: Incidents, operation: string): Incident | undefined {
  return incidents.allLasting().find(({ operations }) => operations.includes(operation));
}

function wentWrong(noted: Noted, operation: Progress): Notice[] {
  const { system, incidents, entry } = noted;
  const title = `${describe(operation)} needs you: ${noted.error}`;
  const before = lastingOf(incidents, operation.id);
  if (before !== undefined) {
    incidents.change(before, {}, { at: entry.at, text: `tried again: ${title}` });
    return [];
  }
  const text = `${title}. It could not be taken back by itself: lastgood recover`;
  return [noticeOf(system, "failure", openFor(noted, operation, title), text)];
}

function openFor(
  { system, incidents, entry }: Noted,
  operation: Progress,
  title: string,
): Incident {
  return incidents.open({
    id: newOperationId(system),
    key: `operation:${operation.id}`,
    title,
    components: componentsOf(operation),
    detected: backBegan(system, operation) ?? entry.at,
    operations: [operation.id],
  });
}

/** When something was seen to be wrong: from there on it went back. */
function backBegan({ journal }: System, { id }: Progress): string | undefined {
  return journal.audit.of(id).find(({ what }) => what === "back")?.at;
}

/** Somebody changed what is live, or says that it is right: what needed a human has had one. */
function settled(
  { system, incidents, entry }: Noted,
  operations: readonly string[],
  components: readonly string[],
  what: string,
): Notice[] {
  const over = incidents
    .allLasting()
    .filter(
      (one) =>
        one.key.startsWith("operation:") &&
        (one.operations.some((id) => operations.includes(id)) ||
          one.components.some((name) => components.includes(name))),
    );
  return over.map((one) => {
    const text = `${what} was committed`;
    const all = [...new Set([...one.operations, entry.of])];
    incidents.change(one, { recovered: entry.at, operations: all }, { at: entry.at, text });
    return noticeOf(system, "recovery", one, text);
  });
}

export function noticeOf(
  system: System,
  kind: Notice["kind"],
  { id, title }: Pick<Incident, "id" | "title">,
  text: string,
): Notice {
  const at = system.host.clock.now().toISOString();
  return { id: newOperationId(system), at, system: system.name, kind, title, text, incident: id };
}

/** "deploy of web 1.2.0" */
export function describe({ kind, setup, plan }: Progress): string {
  const { release } = setup as { release?: { component: string; from?: string; to: string } };
  if (release !== undefined) return `${kind} of ${release.component} ${release.to}`;
  const stamps = new Set(
    plan.steps.flatMap((step) => (step.act === "staged" ? [step.version] : [])),
  );
  return stamps.size === 0 ? kind : `${kind} to ${[...stamps].join(", ")}`;
}
