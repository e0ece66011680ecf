import { hash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { together } from "../base/together.ts";

/** What was done, by whom. Entries are only ever added, each with a hash over all before it. */
export type AuditEntry = {
  readonly seq: number;
  readonly at: string;
  readonly who: string;
  /** `begun`, `back` and `ended` of operations; `request` of the interface. */
  readonly what: "begun" | "back" | "ended" | "request";
  /** The operation, or the request's method and path. */
  readonly of: string;
  /** As JSON. */
  readonly facts: string;
  /** SHA-256 over the hash before and this entry; see `chained`. */
  readonly hash: string;
};

/** How far the chain goes, so that what is cut off its end is missed elsewhere. */
export type AuditHead = { readonly entries: number; readonly hash: string };

export type AuditProblem = { readonly seq: number; readonly problem: string };

const ORIGIN = "";

/** The audit log, in the journal's own file: an operation and what is said of it are written together. */
export class AuditLog {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    const create = `
      CREATE TABLE IF NOT EXISTS audit_v1 (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        "of" TEXT NOT NULL,
        facts TEXT NOT NULL,
        hash TEXT NOT NULL
      ) STRICT;
      CREATE INDEX IF NOT EXISTS audit_v1_of ON audit_v1 ("of");
    `;
    try {
      database.exec(create);
    } catch {
      // What needs an entry fails; what goes back does so without.
    }
  }

  /** Adds an entry; only within a transaction. */
  add(entry: Omit<AuditEntry, "seq" | "hash" | "facts"> & { readonly facts: object }): void {
    const { entries, hash: before } = this.head;
    const whole = { ...entry, seq: entries + 1, facts: JSON.stringify(entry.facts) };
    const { seq, at, who, what, of, facts } = whole;
    this.#database
      .prepare("INSERT INTO audit_v1 VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(seq, at, who, what, of, facts, chained(before, whole));
  }

  /** What was asked of us from outside, whether or not something came of it. */
  addRequest(at: string, who: string, request: string, facts: object): void {
    together(this.#database, () => this.add({ at, who, what: "request", of: request, facts }));
  }

  get head(): AuditHead {
    const last = this.#database
      .prepare("SELECT seq AS entries, hash FROM audit_v1 ORDER BY seq DESC LIMIT 1")
      .get();
    return last === undefined ? { entries: 0, hash: ORIGIN } : { ...(last as AuditHead) };
  }

  /** Entries after one, oldest first. */
  since(seq: number, limit: number): AuditEntry[] {
    const rows = this.#database
      .prepare("SELECT * FROM audit_v1 WHERE seq > ? ORDER BY seq LIMIT ?")
      .all(seq, limit);
    return rows as AuditEntry[];
  }

  /** Those of one operation. */
  of(id: string): AuditEntry[] {
    const rows = this.#database
      .prepare('SELECT * FROM audit_v1 WHERE "of" = ? ORDER BY seq')
      .all(id);
    return rows as AuditEntry[];
  }

  /**
   * What does not fit: an entry that was changed, or one that is missing; empty: nothing. `known` is what
   * somebody else remembers. Reads all.
   */
  verify(known?: AuditHead): AuditProblem[] {
    const problems: AuditProblem[] = [];
    let before: AuditHead = { entries: 0, hash: ORIGIN };
    for (const row of this.#database.prepare("SELECT * FROM audit_v1 ORDER BY seq").iterate()) {
      const entry = row as AuditEntry;
      const { seq } = entry;
      if (seq !== before.entries + 1) {
        problems.push({ seq, problem: `entries ${before.entries + 1} to ${seq - 1} are missing` });
      } else if (entry.hash !== chained(before.hash, entry)) {
        problems.push({ seq, problem: "it was changed, or the one before it was" });
      }
      before = { entries: seq, hash: entry.hash };
    }
    problems.push(...this.#unlike());
    if (known === undefined || this.hashAt(known.entries) === known.hash) return problems;
    const problem = "a recovery point says otherwise: the log was cut off or written anew";
    return [...problems, { seq: known.entries, problem }];
  }

  /** What the chain says at an entry; undefined: it does not go so far. */
  hashAt(entries: number): string | undefined {
    if (entries === 0) return ORIGIN;
    const row = this.#database.prepare("SELECT hash FROM audit_v1 WHERE seq = ?").get(entries);
    return (row as { hash: string } | undefined)?.hash;
  }

  /** Operations that do not say what the chain says of them, or of which it says nothing. */
  #unlike(): AuditProblem[] {
    const changed = this.#database
      .prepare(
        `SELECT max(seq) AS seq, "of", what, facts, o.id, o.kind, o.who, o.reason, o.outcome, o.error,
           a.who AS saidWho
         FROM audit_v1 a LEFT JOIN operations_v1 o ON o.id = "of"
         WHERE what IN ('begun', 'ended') GROUP BY "of"`,
      )
      .all() as Row[];
    const unknown = this.#database
      .prepare(
        `SELECT id FROM operations_v1 WHERE id NOT IN (SELECT "of" FROM audit_v1) AND rowid >
           (SELECT min(o.rowid) FROM operations_v1 o JOIN audit_v1 ON "of" = o.id)`,
      )
      .all() as { id: string }[];
    return [
      ...changed.flatMap(differenceOf),
      ...unknown.map(({ id }) => ({
        seq: this.head.entries,
        problem: `operation ${id} has no entry: it was put there, or its entry was cut off`,
      })),
    ];
  }
}

type Row = {
  seq: number;
  of: string;
  what: string;
  facts: string;
  id: string | null;
  kind: string;
  who: string;
  reason: string;
  outcome: string | null;
  error: string | null;
  saidWho: string;
};

function differenceOf(row: Row): AuditProblem[] {
  const { seq, of, id, what } = row;
  if (id === null) return [{ seq, problem: `operation ${of}: its row is gone` }];
  const said = JSON.parse(row.facts) as Record<string, string | undefined>;
  const wanted: Record<string, string | null> = {
    kind: said["kind"] ?? "",
    who: row.saidWho,
    reason: said["reason"] ?? "",
    ...(what === "ended" ? { outcome: said["outcome"] ?? null, error: said["error"] ?? null } : {}),
  };
  return Object.entries(wanted).flatMap(([field, value]) => {
    const found = row[field as keyof Row];
    // One that needed a human and is tried again has no outcome for now.
    const isAgain = field === "outcome" && value === "needs-human" && found === null;
    if (found === value || isAgain) return [];
    return [
      { seq, problem: `operation ${of} has another ${field} than it had: its row says ${found}` },
    ];
  });
}

function chained(before: string, entry: Omit<AuditEntry, "hash">): string {
  const { seq, at, who, what, of, facts } = entry;
  return hash("sha256", JSON.stringify([before, seq, at, who, what, of, facts]));
}
