import type { DatabaseSync } from "node:sqlite";

/** Questions about all that was done, which need no operation as a whole. */
export class Past {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Whether a release that may have changed the form of the data was deployed since. */
  migratedSince(time: string, now: string): boolean {
    const row = this.#database
      .prepare(
        `SELECT 1 FROM operations_v1 WHERE kind = 'deploy' AND outcome = 'committed' AND ended > ? AND ended <= ?
         AND plan LIKE '%"act":"migrated"%' LIMIT 1`,
      )
      .get(time, now);
    return row !== undefined;
  }

  /** Components that somebody stopped, and that nobody has started since. */
  stoppedComponents(): string[] {
    const last = this.#database
      .prepare(
        `SELECT kind, reason FROM operations_v1
         WHERE kind IN ('stop', 'start', 'restore', 'undo', 'deploy', 'rollback')
         ORDER BY rowid DESC LIMIT 1`,
      )
      .get() as { kind: string; reason: string } | undefined;
    return last?.kind === "stop" ? (last.reason.split(": ")[0] ?? "").split(", ") : [];
  }

  /** Whether an operation of a kind was begun since, whatever became of it. */
  hasBegun(kind: string, since: string): boolean {
    const row = this.#database
      .prepare("SELECT 1 FROM operations_v1 WHERE kind = ? AND started >= ? LIMIT 1")
      .get(kind, since);
    return row !== undefined;
  }

  /** By "kind day": how many were committed, and how many were not. */
  countByDay(since: string): ReadonlyMap<string, { readonly good: number; readonly bad: number }> {
    const rows = this.#database
      .prepare(
        `SELECT kind, substr(started, 1, 10) AS day, sum(outcome = 'committed') AS good,
         sum(outcome != 'committed') AS bad FROM operations_v1
         WHERE started >= ? AND outcome IS NOT NULL GROUP BY kind, day`,
      )
      .all(since) as { kind: string; day: string; good: number; bad: number }[];
    return new Map(rows.map(({ kind, day, good, bad }) => [`${kind} ${day}`, { good, bad }]));
  }
}
