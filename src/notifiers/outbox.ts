import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** A message that somebody is to get. */
export type Message = { readonly id: number; readonly to: string; readonly body: string };

/** Whether it was received; what is not is tried again. */
export type Send = (message: Message) => Promise<boolean>;

/** Those that nobody fetches must not fill a disk. */
const KEPT_MAX = 10_000;

/**
 * Messages on the way to somebody who may not be there, such as a service that is just being
 * restarted. They go out in the order in which they came, each until it was received; a crash may
 * send one twice, and loses none.
 */
export class Outbox implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#database = new DatabaseSync(file, { timeout: 5000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS outbox_v1 (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        receiver TEXT NOT NULL,
        body TEXT NOT NULL
      ) STRICT;
    `);
  }

  add(to: string, body: string): void {
    this.#database.prepare("INSERT INTO outbox_v1 (receiver, body) VALUES (?, ?)").run(to, body);
    this.#database
      .prepare("DELETE FROM outbox_v1 WHERE id <= (SELECT max(id) FROM outbox_v1) - ?")
      .run(KEPT_MAX);
  }

  /** So many wait. */
  get waiting(): number {
    const row = this.#database.prepare("SELECT count(*) AS n FROM outbox_v1").get();
    return (row as { n: number }).n;
  }

  /**
   * Sends what waits, oldest first for each receiver, until one is not received. None waits for another
   * who does not answer.
   */
  async flush(send: Send): Promise<void> {
    const rows = this.#database.prepare("SELECT DISTINCT receiver FROM outbox_v1").all();
    await Promise.all(rows.map(({ receiver }) => this.#flushTo(String(receiver), send)));
  }

  async #flushTo(to: string, send: Send): Promise<void> {
    for (;;) {
      const row = this.#database
        .prepare("SELECT id, body FROM outbox_v1 WHERE receiver = ? ORDER BY id LIMIT 1")
        .get(to) as { id: number; body: string } | undefined;
      if (row === undefined || !(await send({ id: row.id, to, body: row.body }))) return;
      this.#database.prepare("DELETE FROM outbox_v1 WHERE id = ?").run(row.id);
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
