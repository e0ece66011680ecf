import { mkdirSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../journal/open-database.ts";

/** Opens state/records.db, what is known beside the journal, with the tables that somebody needs in it. */
export function openRecords(state: string, tables: string): DatabaseSync {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const { database } = openDatabase(path.join(state, "records.db"));
  database.exec(`PRAGMA journal_mode = WAL; ${tables}`);
  return database;
}
