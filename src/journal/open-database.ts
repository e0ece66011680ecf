import { copyFileSync, existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { HINT_STATE_FULL } from "../base/disk-errors.ts";
import { isBusy } from "../base/file-lock.ts";
import { AppError, hasCode } from "../base/errors.ts";
import { isReadOnly } from "../base/fs.ts";

/** A database, and whether no other process can open it as long as this one has it. */
export type Opened = { readonly database: DatabaseSync; readonly isAlone: boolean };

/**
 * Where several processes have it open they share some memory, which lies in a file: a full disk has no room
 * for it. Then the file is ours alone, for as long as it is open; what makes room has to be possible. On a
 * disk that is read-only, as Linux makes one with errors, it can be read all the same.
 */
export function openDatabase(file: string): Opened {
  if (existsSync(file) && isReadOnly(path.dirname(file))) {
    return { database: openCopy(file), isAlone: false };
  }
  const database = new DatabaseSync(file, { timeout: 5000 });
  try {
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return { database, isAlone: false };
  } catch (error) {
    database.close();
    if (isDamaged(error)) throw damaged(file, error);
    if (!isOfDisk(error)) throw error;
    const alone = new DatabaseSync(file, { timeout: 5000 });
    alone.exec("PRAGMA locking_mode = EXCLUSIVE");
    return { database: alone, isAlone: true };
  }
}

/**
 * SQLite reads what is in the log of a database only where it can write beside it: so a copy is read. It is gone as soon
 * as it is open.
 */
function openCopy(file: string): DatabaseSync {
  const folder = mkdtempSync(path.join(existsSync(MEMORY) ? MEMORY : tmpdir(), "lastgood-"));
  try {
    const copy = path.join(folder, path.basename(file));
    for (const suffix of ["", "-wal"]) {
      if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
    }
    const database = new DatabaseSync(copy, { readOnly: true });
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    return database;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writable whatever happens to disks. */
const MEMORY = "/dev/shm";

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const OF_DAMAGE: ReadonlySet<number> = new Set([11, 26]);

const codeOf = (error: unknown): number => ((error as { errcode?: number }).errcode ?? 0) & 0xff;

const isDamaged = (error: unknown): boolean => OF_DAMAGE.has(codeOf(error));

function damaged(file: string, cause: unknown): AppError {
  return new AppError("CORRUPT", `open ${file}: ${(cause as Error).message}`, {
    cause,
    hint: "Move it away, with -wal and -shm beside it: what it knew is forgotten; points and live data are not touched.",
  });
}

/** SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN; see https://www.sqlite.org/rescode.html. */
const OF_DISK: ReadonlySet<number> = new Set([10, 13, 14]);

function isOfDisk(error: unknown): boolean {
  return OF_DISK.has(codeOf(error));
}

/** A full disk is told by SQLite as an error of reading, too. */
export function cannotOpen(file: string, cause: unknown): unknown {
  if (hasCode(cause, "CORRUPT")) return cause;
  const doing = `open journal ${file}`;
  if (isBusy(cause)) {
    const hint = "Another lastgood works on a full disk and has it alone. Wait until it has ended.";
    return new AppError("LOCKED", `${doing}: another process has it`, { cause, hint });
  }
  if (isFull(path.dirname(file))) {
    return new AppError("NO_SPACE", `${doing}: no space left`, { cause, hint: HINT_STATE_FULL });
  }
  const hint = "See whether the disk is read-only, and who owns the folder.";
  return new AppError("UNAVAILABLE", `${doing}: ${(cause as Error).message}`, { cause, hint });
}

/** What SQLite needs to begin with is less. */
const ROOM_BYTES = 256 * 1024;

function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < ROOM_BYTES;
  } catch {
    return false;
  }
}
