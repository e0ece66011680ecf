import { existsSync, statSync } from "node:fs";
import { chmod, copyFile } from "node:fs/promises";
import path from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { AppError } from "../base/errors.ts";
import { isReadOnly } from "../base/fs.ts";

/** Files that SQLite keeps beside a database; with another database they would destroy it. */
export const SQLITE_COMPANIONS: readonly string[] = ["-wal", "-shm", "-journal"];

const BUSY_MS = 10_000;
/** More than a database can have. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a live database as it is at one moment, whoever writes to it meanwhile. In one step over
 * all pages: a copy in small steps begins anew with each write and never ends.
 */
export async function copyLiveDatabase(file: string, target: string): Promise<void> {
  try {
    await copyPages(file, target);
    // The copy says in its header that it has a log beside it; it must stand alone.
    using copy = new DatabaseSync(target);
    copy.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    if (primaryCode(error) === SQLITE_FULL) {
      throw new AppError("NO_SPACE", `copy database ${file} to ${target}: no space left`, {
        hint: `The copy lies there for a moment. Free some space in ${path.dirname(target)}.`,
        cause: error,
      });
    }
    throw new AppError("SOURCE_FAILED", `copy database ${file}: ${(error as Error).message}`, {
      hint: "Look whether it is a SQLite database and whether it is damaged: PRAGMA integrity_check.",
      cause: error,
    });
  }
}

async function copyPages(file: string, target: string): Promise<void> {
  try {
    using database = openLive(file);
    await backup(database, target, { rate: ALL_PAGES });
  } catch (error) {
    const isRefused = [SQLITE_READONLY, SQLITE_CANTOPEN].includes(primaryCode(error));
    if (!isRefused || !isReadOnly(path.dirname(file))) throw error;
    await copyWithLog(file, target);
  }
}

/**
 * SQLite reads the log of a database only where it can write beside it, or where an application has it open. On a
 * disk that is read-only the log is copied with the database: nobody writes.
 */
async function copyWithLog(file: string, target: string): Promise<void> {
  const parts = ["", "-wal", "-journal"].filter((suffix) => existsSync(file + suffix));
  const times = (): string =>
    parts.map((suffix) => statSync(file + suffix, { bigint: true }).mtimeNs).join();
  const before = times();
  for (const suffix of parts) {
    await copyFile(file + suffix, target + suffix);
    await chmod(target + suffix, 0o600);
  }
  // Read-only may be what we see of it alone, as in a container.
  if (times() !== before) throw new Error("it was written to, and can only be read by its owner");
}

/** The primary result codes of SQLite for a file that is damaged, and for one that is none. */
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/**
 * Opens for reading. Where a writer died in the middle of a transaction, the database can be read
 * only once its journal has been rolled back, as the application does when it starts.
 */
function openLive(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
  try {
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return database;
  } catch (error) {
    database.close();
    if (primaryCode(error) !== SQLITE_READONLY) throw error;
    return new DatabaseSync(file, { timeout: BUSY_MS });
  }
}

/** Whether the copy failed because the database itself is damaged. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode((error as Error).cause);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

function primaryCode(error: unknown): number {
  return ((error as { errcode?: number } | undefined)?.errcode ?? 0) & 0xff;
}

export type DatabaseState = {
  /** Empty: it is sound. */
  readonly problems: readonly string[];
  readonly rows: Readonly<Record<string, number>>;
};

/** The first ones tell as much as all, and are found sooner. */
const PROBLEMS_MAX = 10;

/** Looks into a database file that nobody writes to and that has no log, changing nothing. */
export function inspectDatabase(file: string): DatabaseState {
  const url = pathToFileURL(file);
  // Without this even reading would leave a -wal and a -shm beside it.
  url.searchParams.set("immutable", "1");
  try {
    using database = new DatabaseSync(url, { readOnly: true });
    const checked = database.prepare(`PRAGMA integrity_check(${PROBLEMS_MAX})`).all();
    const found = checked as { integrity_check: string }[];
    // One row may tell of a whole tree, in a line for each page that is lost.
    const lines = found.flatMap((row) => row.integrity_check.split("\n"));
    const problems = lines.filter((line) => line !== "ok");
    return { problems, rows: problems.length > 0 ? {} : countRows(database) };
  } catch (error) {
    return { problems: [(error as Error).message], rows: {} };
  }
}

/** Rows of a live database, for comparing; undefined when it cannot be read. */
export function countLiveRows(file: string): Readonly<Record<string, number>> | undefined {
  try {
    using database = openLive(file);
    return countRows(database);
  } catch {
    // That it cannot be read is the answer: it is why somebody wants to restore.
    return undefined;
  }
}

/** The number that a query finds in its first row's first column; undefined when it cannot be asked. */
export function queryNumber(file: string, query: string): number | undefined {
  try {
    using database = openLive(file);
    const [value] = Object.values(database.prepare(query).get() ?? {});
    return typeof value === "number" ? value : undefined;
  } catch {
    return undefined;
  }
}

function countRows(database: DatabaseSync): Record<string, number> {
  const tables = database
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )
    .all() as { name: string }[];
  const rows: Record<string, number> = {};
  for (const { name } of tables) {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const counted = database.prepare(`SELECT count(*) AS n FROM ${quoted}`).get() as { n: number };
    rows[name] = counted.n;
  }
  return rows;
}
