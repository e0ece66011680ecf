import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Opens state/records.db, what is known beside the journal, with the tables that somebody needs in it. */
export function openRecords(state: string, tables: string): DatabaseSync {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path.join(state, "records.db"), { timeout: 5000 });
  database.exec(`PRAGMA journal_mode = WAL; ${tables}`);
  return database;
}
