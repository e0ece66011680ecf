import type { DatabaseSync } from "node:sqlite";

/** Has a database do all of it, or after a crash or an error nothing; no other process writes meanwhile. */
export function together<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const value = work();
    database.exec("COMMIT");
    return value;
  } catch (error) {
    // Where the disk is full SQLite may have taken it back itself.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
