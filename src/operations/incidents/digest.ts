import type { AuditEntry } from "../../journal/audit.ts";
import type { Outcome, Progress } from "../../journal/journal.ts";
import type { Event, Run } from "../../base/events.ts";
import type { Notice } from "../../notifiers/notifier.ts";
import { queueNotice } from "../notices/notice.ts";
import { newOperationId } from "../record.ts";
import type { System } from "../system.ts";
import { componentsOf } from "../unfinished.ts";
import { type Incident, Incidents } from "./incidents.ts";

/** What goes wrong without anything having to be taken back, and is well once it succeeds. */
const JOBS: ReadonlySet<string> = new Set(["backup", "drill", "check", "prune", "forget", "copy"]);
/** After one of these what is live is as somebody wants it. */
const SETTLING: ReadonlySet<string> = new Set(["restore", "undo", "deploy", "rollback"]);
const WENT_BACK: ReadonlySet<Outcome> = new Set(["rolled-back", "rolled-back-to-factory"]);

const SEEN = "audit";
const ENTRIES_AT_ONCE = 500;

type Ended = { readonly kind: string; readonly outcome?: Outcome; readonly error?: string };

/**
 * Looks through what has ended since the last look: opens incidents, ends them, and puts what people
 * want to hear of into the outbox. Each entry is looked at once, whoever does it. Best effort: what
 * was done was done, whether or not it can be written down.
 */
export function digest(system: System, run: Run): void {
  try {
    using incidents = new Incidents(system.paths.state);
    for (;;) {
      if (incidents.together(() => digestSome(system, incidents)) === "nothing new") return;
    }
  } catch (error) {
    const event: Event = { type: "warning", message: `incidents: ${(error as Error).message}` };
    run.report(event);
  }
}

function digestSome(system: System, incidents: Incidents): "nothing new" | "some" {
  const { journal } = system;
  const entries = journal.audit.since(Number(incidents.seen(SEEN) ?? 0), ENTRIES_AT_ONCE);
  const last = entries.at(-1);
  if (last === undefined) return "nothing new";
  incidents.see(SEEN, String(last.seq));
  const notices = entries
    .filter(({ what }) => what === "ended")
    .flatMap((entry) => noteEnd(system, incidents, entry));
  // Rather told twice than never, should we be ended between the two.
  for (const notice of notices) queueNotice(system, notice);
  return "some";
}

function noteEnd(system: System, incidents: Incidents, entry: AuditEntry): Notice[] {
  const { kind, outcome, error } = JSON.parse(entry.facts) as Ended;
  const noted: Noted = { system, incidents, entry, error: error ?? "" };
  if (JOBS.has(kind)) {
    return outcome === "committed" ? jobIsWell(noted, kind) : jobFailed(noted, kind);
  }
  if (!SETTLING.has(kind)) return [];
  const operation = system.journal.read(entry.of);
  if (outcome === "needs-human") return wentWrong(noted, operation);
  if (outcome !== undefined && WENT_BACK.has(outcome)) return wentBack(noted, operation, outcome);
  return outcome === "committed" ? settled(noted, operation) : [];
}

type Noted = {
  readonly system: System;
  readonly incidents: Incidents;
  readonly entry: AuditEntry;
  readonly error: string;
};

function jobFailed({ system, incidents, entry, error }: Noted, kind: string): Notice[] {
  const key = `job:${kind}`;
  const text = `${kind} failed: ${error}`;
  const lasting = incidents.lasting(key);
  if (lasting !== undefined) {
    const operations = [...lasting.operations, entry.of];
    incidents.change(lasting, { operations }, { at: entry.at, text });
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
  });
  return [noticeOf(system, "failure", opened, text)];
}

function jobIsWell({ system, incidents, entry }: Noted, kind: string): Notice[] {
  const lasting = incidents.lasting(`job:${kind}`);
  if (lasting === undefined) return [];
  const text = `${kind} succeeded again`;
  const operations = [...lasting.operations, entry.of];
  const ended = { recovered: entry.at, operations };
  incidents.change(lasting, ended, { at: entry.at, text });
  return [noticeOf(system, "recovery", lasting, text)];
}

/** It failed, and what was live before is live again: over before anybody reads of it. */
function wentBack(noted: Noted, operation: Progress, outcome: Outcome): Notice[] {
  const { system, incidents, entry, error } = noted;
  const opened = openFor(noted, operation, `${describe(operation)}: ${outcome}: ${error}`);
  const text =
    outcome === "rolled-back"
      ? "what was live before is live again, and its checks are no worse than before"
      : "the factory version is live";
  incidents.change(opened, { recovered: entry.at }, { at: entry.at, text });
  return [noticeOf(system, "failure", opened, `${opened.title}. Now ${text}.`)];
}

function wentWrong(noted: Noted, operation: Progress): Notice[] {
  const opened = openFor(noted, operation, `${describe(operation)} needs you: ${noted.error}`);
  const text = `${opened.title}. It could not be taken back by itself: lastgood recover`;
  return [noticeOf(noted.system, "failure", opened, text)];
}

function openFor(
  { system, incidents, entry }: Noted,
  operation: Progress,
  title: string,
): Incident {
  return incidents.open({
    id: newOperationId(system),
    key: `operation:${componentsOf(operation).toSorted().join(",")}`,
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

/** Somebody changed what is live, and it is healthy: what needed a human has had one. */
function settled({ system, incidents, entry }: Noted, operation: Progress): Notice[] {
  const lasting = incidents.lasting(`operation:${componentsOf(operation).toSorted().join(",")}`);
  if (lasting === undefined) return [];
  const text = `${describe(operation)} was committed`;
  const operations = [...lasting.operations, operation.id];
  incidents.change(lasting, { recovered: entry.at, operations }, { at: entry.at, text });
  return [noticeOf(system, "recovery", lasting, text)];
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
