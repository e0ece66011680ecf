import type { DatabaseSync } from "node:sqlite";
import { AppError } from "../../base/errors.ts";
import { cut, redact } from "../../base/redact.ts";
import { together } from "../../base/together.ts";
import type { Scope } from "../../journal/journal.ts";
import { openRecords } from "../records.ts";

/** What only people know of an incident; what they have not said yet is empty. */
export type Said = {
  readonly summary: string;
  readonly rootCause: string;
  readonly resolution: string;
  readonly impact: string;
  readonly prevention: string;
  readonly actionItems: readonly string[];
};

/** The keys of those of jobs begin so: of what fails without anything having to be taken back. */
export const JOB_KEY = "job:";

/** What went wrong, from when it was seen until it was well again. */
export type Incident = {
  readonly id: string;
  /** What more of the same belongs to it, as long as it lasts: "check:web", "job:backup". */
  readonly key: string;
  readonly title: string;
  readonly components: readonly string[];
  readonly detected: string;
  /** When all was well again; undefined: it is not. */
  readonly recovered: string | undefined;
  /** When somebody said that all is said. */
  readonly closed: string | undefined;
  readonly operations: readonly string[];
  readonly events: readonly { readonly at: string; readonly text: string }[];
  readonly said: Said;
  /** Of what failed: it is over once as much as this succeeded. */
  readonly scope?: Scope;
};

const NOTHING_SAID: Said = {
  summary: "",
  rootCause: "",
  resolution: "",
  impact: "",
  prevention: "",
  actionItems: [],
};

/** Of one incident: what goes on for ever must not fill the disk. */
const EVENTS_MAX = 500;
const TITLE_MAX = 300;
const TEXT_MAX = 1000;

type Row = { id: string; closed: string | null; recovered: string | null; body: string };

type Body = Omit<Incident, "id" | "recovered" | "closed">;

/** The incidents of a system, in state/records.db; and how far the history was looked through for them. */
export class Incidents implements Disposable {
  readonly #database: DatabaseSync;

  constructor(state: string) {
    this.#database = openRecords(
      state,
      `
      CREATE TABLE IF NOT EXISTS incidents_v1 (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        recovered TEXT,
        closed TEXT,
        body TEXT NOT NULL
      ) STRICT;
      CREATE TABLE IF NOT EXISTS seen_v1 (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    `,
    );
  }

  /** Does all of it, or after a crash nothing. */
  together<T>(work: () => T): T {
    return together(this.#database, work);
  }

  seen(name: string): string | undefined {
    const row = this.#database.prepare("SELECT value FROM seen_v1 WHERE name = ?").get(name);
    return (row as { value: string } | undefined)?.value;
  }

  see(name: string, value: string): void {
    this.#database.prepare("INSERT OR REPLACE INTO seen_v1 VALUES (?, ?)").run(name, value);
  }

  /** Newest first. */
  list(limit: number): Incident[] {
    const rows = this.#database
      .prepare("SELECT * FROM incidents_v1 ORDER BY rowid DESC LIMIT ?")
      .all(limit);
    return (rows as Row[]).map(toIncident);
  }

  /** Those that are not over, newest first. `closed`: nor those that somebody closed before they were. */
  allLasting(closed: "too" | "not" = "not"): Incident[] {
    const rows = this.#database
      .prepare("SELECT * FROM incidents_v1 WHERE recovered IS NULL ORDER BY rowid DESC")
      .all();
    return (rows as Row[])
      .map(toIncident)
      .filter((one) => closed === "too" || one.closed === undefined);
  }

  /** The one of this key that is not over. */
  lasting(key: string, closed: "too" | "not" = "not"): Incident | undefined {
    return this.allLasting(closed).find((one) => one.key === key);
  }

  /** By its id, a beginning of it that no other has, or "latest". NOT_FOUND. */
  find(named: string): Incident {
    const all = this.list(-1);
    const begin = all.filter(({ id }) => named !== "" && id.startsWith(named));
    const found = named === "latest" ? all.slice(0, 1) : begin;
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    const problem = found.length > 1 ? "several begin so" : "there is none";
    throw new AppError("NOT_FOUND", `find incident ${named}: ${problem}`, {
      hint: "See them with: lastgood incident list",
    });
  }

  open(
    opened: Pick<Incident, "id" | "key" | "title" | "components" | "detected"> & {
      readonly operations?: readonly string[];
      readonly said?: Partial<Said>;
      readonly scope?: Scope | undefined;
    },
  ): Incident {
    const { scope, ...others } = opened;
    const title = cut(redact(opened.title), TITLE_MAX);
    const incident: Incident = {
      ...others,
      title,
      ...(scope === undefined ? {} : { scope }),
      operations: opened.operations ?? [],
      recovered: undefined,
      closed: undefined,
      events: [{ at: opened.detected, text: title }],
      said: { ...NOTHING_SAID, ...opened.said },
    };
    this.#write(incident);
    return incident;
  }

  /** Changes what is given and adds what happened; what was the same last time is not added again. */
  change(
    incident: Incident,
    changed: Partial<Pick<Incident, "recovered" | "closed" | "said" | "operations" | "scope">>,
    event?: { readonly at: string; readonly text: string },
  ): Incident {
    const added = event && { ...event, text: cut(redact(event.text), TEXT_MAX) };
    const isNew = added !== undefined && incident.events.at(-1)?.text !== added.text;
    const events = isNew ? [...incident.events, added].slice(-EVENTS_MAX) : incident.events;
    const next = { ...incident, ...changed, events };
    this.#write(next);
    return next;
  }

  #write({ id, recovered, closed, ...body }: Incident): void {
    this.#database
      .prepare(
        `INSERT INTO incidents_v1 VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
         SET recovered = excluded.recovered, closed = excluded.closed, body = excluded.body`,
      )
      .run(id, body.key, recovered ?? null, closed ?? null, JSON.stringify(body));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function toIncident({ id, recovered, closed, body }: Row): Incident {
  return {
    id,
    ...(JSON.parse(body) as Body),
    recovered: recovered ?? undefined,
    closed: closed ?? undefined,
  };
}
