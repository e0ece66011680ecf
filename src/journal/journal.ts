import { mkdirSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { AppError } from "../base/errors.ts";
import { together } from "../base/together.ts";
import { AuditLog } from "./audit.ts";
import { cannotOpen, openDatabase } from "./open-database.ts";
import { Past } from "./past.ts";
import type { Plan } from "./plan.ts";

/** How an operation ended. */
export type Outcome =
  | "committed"
  | "aborted"
  | "rolled-back"
  | "rolled-back-to-factory"
  | "needs-human";

/** What an operation is, as it was when it began. */
export type Operation = {
  readonly id: string;
  /** The verb: "restore", "undo". */
  readonly kind: string;
  readonly plan: Plan;
  /** The resolved configuration of its slots; secrets as references. See ruling 26. */
  readonly setup: unknown;
  readonly started: string;
  readonly who: string;
  readonly reason: string;
};

/** Of what has no plan: what it was about, and how deep it looked. */
export type Scope = { readonly of: readonly string[]; readonly depth: number };

export type Progress = Operation & {
  /** 0: on the way forward; n: on the n-th way back. */
  readonly sequence: number;
  /** Steps of the way forward that were begun; the last of them may be half done. */
  readonly begun: number;
  readonly outcome: Outcome | undefined;
  readonly ended: string | undefined;
  readonly error: string | undefined;
};

type Row = {
  id: string;
  kind: string;
  plan: string;
  setup: string;
  started: string;
  who: string;
  reason: string;
  sequence: number;
  begun: number;
  outcome: Outcome | null;
  ended: string | null;
  error: string | null;
};

/**
 * Remembers through crashes what each operation is to do and how far it has come.
 *
 * A step is recorded as begun before it acts. So after a crash the last one begun has acted not at
 * all, partly or fully, and all before it fully. Nothing is ever removed: it is the history too.
 */
export class Journal implements Disposable {
  readonly #database: DatabaseSync;
  /** What was done, which nobody can change unseen. */
  readonly audit: AuditLog;
  /** The disk is full: as long as it is open here, no other process can open it. */
  readonly isAlone: boolean;
  /** What can be asked of all that was done. */
  readonly past: Past;

  /** UNAVAILABLE when the file cannot be opened or is none of ours; NO_SPACE to make it. */
  constructor(file: string) {
    try {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      const { database, isAlone } = openDatabase(file);
      this.#database = database;
      this.isAlone = isAlone;
      this.#database.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS operations_v1 (
          id TEXT PRIMARY KEY,
          kind TEXT NOT NULL,
          plan TEXT NOT NULL,
          setup TEXT NOT NULL,
          started TEXT NOT NULL,
          who TEXT NOT NULL,
          reason TEXT NOT NULL,
          sequence INTEGER NOT NULL DEFAULT 0 CHECK (sequence >= 0),
          begun INTEGER NOT NULL DEFAULT 0 CHECK (begun >= 0),
          outcome TEXT,
          ended TEXT,
          error TEXT
        ) STRICT;
        CREATE INDEX IF NOT EXISTS operations_v1_kind ON operations_v1 (kind, started);
      `);
      // On a full disk an older journal has to open all the same: going back needs it.
      this.audit = new AuditLog(this.#database);
      this.past = new Past(this.#database);
    } catch (error) {
      throw cannotOpen(file, error);
    }
  }

  create(operation: Operation): void {
    const { id, kind, plan, setup, started, who, reason } = operation;
    together(this.#database, () => {
      this.#database
        .prepare(
          "INSERT INTO operations_v1 (id, kind, plan, setup, started, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .run(id, kind, JSON.stringify(plan), JSON.stringify(setup), started, who, reason);
      const facts = { kind, reason };
      this.audit.add({ at: started, who, what: "begun", of: id, facts });
    });
  }

  /** What was done without steps and is over: there is nothing to recover. */
  record(
    operation: Operation & Pick<Progress, "outcome" | "ended" | "error"> & { scope?: Scope },
  ): void {
    const { id, kind, plan, setup, started, who, reason, outcome, ended, error } = operation;
    const { scope } = operation;
    const texts = [id, kind, JSON.stringify(plan), JSON.stringify(setup), started, who, reason];
    together(this.#database, () => {
      this.#database
        .prepare(
          "INSERT INTO operations_v1 (id, kind, plan, setup, started, who, reason, outcome, ended, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(...texts, outcome ?? null, ended ?? null, error ?? null);
      const facts = { kind, reason, outcome, error, scope };
      this.audit.add({ at: ended ?? started, who, what: "ended", of: id, facts });
    });
  }

  /** Undefined: there is none. */
  find(id: string): Progress | undefined {
    return this.#select("WHERE id = ?", id)[0];
  }

  /** NOT_FOUND. */
  read(id: string): Progress {
    const found = this.find(id);
    if (found === undefined) {
      throw new AppError("NOT_FOUND", `read operation ${id}: there is none`, {
        hint: "See them with: lastgood history",
      });
    }
    return found;
  }

  /** The step about to begin on the way forward. */
  recordBegun(id: string, begun: number): void {
    this.#database.prepare("UPDATE operations_v1 SET begun = ? WHERE id = ?").run(begun, id);
  }

  /** From here on it goes back, on this way. */
  recordBack(id: string, sequence: number, error: string, at: string): void {
    together(this.#database, () => {
      this.#database
        // Why it went back at first is what people look for.
        .prepare("UPDATE operations_v1 SET sequence = ?, error = COALESCE(error, ?) WHERE id = ?")
        .run(sequence, error, id);
      const facts = { sequence, error };
      this.audit.add({ at, who: "", what: "back", of: id, facts });
    });
  }

  finish(id: string, outcome: Outcome, ended: string): void {
    together(this.#database, () => {
      this.#database
        .prepare("UPDATE operations_v1 SET outcome = ?, ended = ? WHERE id = ?")
        .run(outcome, ended, id);
      const { kind, who, reason, error } = this.read(id);
      const facts = { kind, reason, outcome, error };
      this.audit.add({ at: ended, who, what: "ended", of: id, facts });
    });
  }

  /** Operations that a crash interrupted, oldest first. */
  unfinished(): Progress[] {
    return this.#select("WHERE outcome IS NULL ORDER BY rowid");
  }

  /** Operations that moved or copied data aside, newest first. */
  switches(): Progress[] {
    return this.#select(
      "WHERE kind IN ('restore', 'undo', 'deploy', 'rollback') ORDER BY rowid DESC",
    );
  }

  /** Operations that changed which release is live, newest first. */
  releaseChanges(): Progress[] {
    return this.#select("WHERE kind IN ('deploy', 'rollback', 'undo') ORDER BY rowid DESC");
  }

  /** Goes on with one that needed a human. */
  reopen(id: string): void {
    this.#database
      .prepare("UPDATE operations_v1 SET outcome = NULL, ended = NULL WHERE id = ?")
      .run(id);
  }

  /** Operations of a way back that did not lead to its end, newest first. */
  needingHuman(): Progress[] {
    return this.#select("WHERE outcome = 'needs-human' ORDER BY rowid DESC");
  }

  /** The operations that were ended by `keep`: what they set aside is given up. */
  kept(): ReadonlySet<string> {
    const rows = this.#database
      .prepare("SELECT substr(kind, 6) AS id FROM operations_v1 WHERE kind LIKE 'keep %'")
      .all();
    return new Set((rows as { id: string }[]).map(({ id }) => id));
  }

  /** Operations that began after another one, newest first. */
  since(id: string): Progress[] {
    const after = "(SELECT rowid FROM operations_v1 WHERE id = ?)";
    return this.#select(`WHERE rowid > ${after} ORDER BY rowid DESC`, id);
  }

  /** All operations, newest first. */
  history(limit: number): Progress[] {
    return this.page(limit, undefined);
  }

  /** The same, from before an operation on. */
  page(limit: number, before: string | undefined): Progress[] {
    const until =
      before === undefined ? "" : "WHERE rowid < (SELECT rowid FROM operations_v1 WHERE id = ?)";
    const values = before === undefined ? [] : [before];
    return this.#select(`${until} ORDER BY rowid DESC LIMIT ${Math.trunc(limit)}`, ...values);
  }

  /** Oldest first; the newest of them where there are more. */
  startedSince(time: string, limit: number): Progress[] {
    const rest = `WHERE started >= ? ORDER BY rowid DESC LIMIT ${Math.trunc(limit)}`;
    return this.#select(rest, time).toReversed();
  }

  #select(rest: string, ...values: string[]): Progress[] {
    const rows = this.#database.prepare(`SELECT * FROM operations_v1 ${rest}`).all(...values);
    return (rows as Row[]).map(toProgress);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function toProgress(row: Row): Progress {
  return {
    ...row,
    plan: JSON.parse(row.plan) as Plan,
    setup: JSON.parse(row.setup) as unknown,
    outcome: row.outcome ?? undefined,
    ended: row.ended ?? undefined,
    error: row.error ?? undefined,
  };
}
