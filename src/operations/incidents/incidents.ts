import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "../../base/errors.ts";

/** What only people know of an incident; what they have not said yet is empty. */
export type Said = {
  readonly summary: string;
  readonly rootCause: string;
  readonly resolution: string;
  readonly impact: string;
  readonly prevention: string;
  readonly actionItems: readonly string[];
};

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

type Row = { id: string; closed: string | null; recovered: string | null; body: string };

type Body = Omit<Incident, "id" | "recovered" | "closed">;

/** The incidents of a system, in state/records.db; and how far the history was looked through for them. */
export class Incidents implements Disposable {
  readonly #database: DatabaseSync;

  constructor(state: string) {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    this.#database = new DatabaseSync(path.join(state, "records.db"), { timeout: 5000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS incidents_v1 (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        recovered TEXT,
        closed TEXT,
        body TEXT NOT NULL
      ) STRICT;
      CREATE TABLE IF NOT EXISTS seen_v1 (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    `);
  }

  /** Does all of it, or after a crash nothing. */
  together<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const value = work();
      this.#database.exec("COMMIT");
      return value;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
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
      .prepare("SELECT * FROM incidents_v1 ORDER BY id DESC LIMIT ?")
      .all(limit);
    return (rows as Row[]).map(toIncident);
  }

  /** The one of this key that is not over. */
  lasting(key: string): Incident | undefined {
    const row = this.#database
      .prepare("SELECT * FROM incidents_v1 WHERE key = ? AND recovered IS NULL AND closed IS NULL")
      .get(key);
    return row === undefined ? undefined : toIncident(row as Row);
  }

  /** By the beginning of its id, or "latest". NOT_FOUND. */
  find(named: string): Incident {
    const found = this.list(-1).find(({ id }) => named === "latest" || id.startsWith(named));
    if (found !== undefined) return found;
    throw new AppError("NOT_FOUND", `find incident ${named}: there is none`, {
      hint: "See them with: lastgood incident list",
    });
  }

  open(
    opened: Pick<Incident, "id" | "key" | "title" | "components" | "detected"> & {
      readonly operations?: readonly string[];
      readonly said?: Partial<Said>;
    },
  ): Incident {
    const incident: Incident = {
      ...opened,
      operations: opened.operations ?? [],
      recovered: undefined,
      closed: undefined,
      events: [{ at: opened.detected, text: opened.title }],
      said: { ...NOTHING_SAID, ...opened.said },
    };
    this.#write(incident);
    return incident;
  }

  /** Changes what is given and adds what happened; what was the same last time is not added again. */
  change(
    incident: Incident,
    changed: Partial<Pick<Incident, "recovered" | "closed" | "said" | "operations">>,
    event?: { readonly at: string; readonly text: string },
  ): Incident {
    const isNew = event !== undefined && incident.events.at(-1)?.text !== event.text;
    const events = isNew ? [...incident.events, event].slice(-EVENTS_MAX) : incident.events;
    const next = { ...incident, ...changed, events };
    this.#write(next);
    return next;
  }

  #write({ id, recovered, closed, ...body }: Incident): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO incidents_v1 VALUES (?, ?, ?, ?, ?)")
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
