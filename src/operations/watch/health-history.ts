import type { DatabaseSync } from "node:sqlite";
import { together } from "../../base/together.ts";
import type { Verdict } from "../../checks/check.ts";
import { openRecords } from "../records.ts";

/** What a check said, from one look to another, for as long as it said the same. */
export type HealthSpan = {
  readonly component: string;
  readonly check: string;
  readonly verdict: Verdict;
  /** In the words of the first look. */
  readonly detail: string;
  readonly since: string;
  readonly until: string;
  readonly looks: number;
};

const DETAIL_CHARACTERS_MAX = 500;

/**
 * What checks said over time, in state/records.db. A row is a time in which the answer did not change, so
 * that a year of a healthy system is a few rows; nobody having looked begins a new one.
 */
export class HealthHistory implements Disposable {
  readonly #database: DatabaseSync;

  constructor(state: string) {
    this.#database = openRecords(
      state,
      `
      CREATE TABLE IF NOT EXISTS health_v1 (
        id INTEGER PRIMARY KEY,
        component TEXT NOT NULL,
        name TEXT NOT NULL,
        verdict TEXT NOT NULL,
        detail TEXT NOT NULL,
        since TEXT NOT NULL,
        until TEXT NOT NULL,
        looks INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX IF NOT EXISTS health_v1_of ON health_v1 (component, name, id);
      CREATE INDEX IF NOT EXISTS health_v1_until ON health_v1 (until);
    `,
    );
  }

  /** `gapMs`: after a longer time without a look nothing is known of what was in between. */
  note(
    looks: readonly { component: string; check: string; verdict: Verdict; detail: string }[],
    at: Date,
    gapMs: number,
  ): void {
    const now = at.toISOString();
    const oldest = new Date(at.getTime() - gapMs).toISOString();
    const last = this.#database.prepare(
      "SELECT id, verdict, until FROM health_v1 WHERE component = ? AND name = ? ORDER BY id DESC LIMIT 1",
    );
    const extend = this.#database.prepare(
      "UPDATE health_v1 SET until = ?, looks = looks + 1 WHERE id = ?",
    );
    const insert = this.#database.prepare(
      "INSERT INTO health_v1 (component, name, verdict, detail, since, until, looks) VALUES (?, ?, ?, ?, ?, ?, 1)",
    );
    together(this.#database, () => {
      for (const { component, check, verdict, detail } of looks) {
        const before = last.get(component, check) as
          | { id: number; verdict: Verdict; until: string }
          | undefined;
        // A clock that was put back must not make a span end before it began.
        const isSame = before?.verdict === verdict && before.until >= oldest && before.until <= now;
        if (isSame) extend.run(now, before.id);
        else {
          const words = detail.slice(0, DETAIL_CHARACTERS_MAX);
          insert.run(component, check, verdict, words, now, now);
        }
      }
    });
  }

  /** What was said since a time, oldest first. */
  since(time: string, limit: number): HealthSpan[] {
    const rows = this.#database
      .prepare(
        `SELECT component, name AS "check", verdict, detail, since, until, looks FROM health_v1
         WHERE until >= ? ORDER BY id DESC LIMIT ?`,
      )
      .all(time, limit);
    return (rows as HealthSpan[]).toReversed();
  }

  /** What each check said at the last look. */
  latest(): HealthSpan[] {
    const rows = this.#database
      .prepare(
        `SELECT component, name AS "check", verdict, detail, since, until, looks FROM health_v1
         WHERE id IN (SELECT max(id) FROM health_v1 GROUP BY component, name) ORDER BY component, name`,
      )
      .all();
    return rows as HealthSpan[];
  }

  forgetBefore(time: string): void {
    this.#database.prepare("DELETE FROM health_v1 WHERE until < ?").run(time);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
