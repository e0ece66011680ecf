import { existsSync } from "node:fs";
import path from "node:path";
import { AppError, type ErrorCode, systemCode } from "./errors.ts";
import { isReadOnly } from "./fs.ts";

/** What is also told where a repository has no room. */
export const OR_FEWER_POINTS =
  ", or thin out the points: lastgood forget --plan, then lastgood prune";

/** What makes room where the state lies. */
export const HINT_STATE_FULL =
  "Free some space there: what was set aside shows lastgood status, lastgood keep frees it.";

/**
 * What a disk says no with, in our words: NO_SPACE, REFUSED, UNAVAILABLE. Anything else is given
 * back as it is. `doing` is as in "write data/4f/4f2a… in /srv/backup"; `more`, what else makes room.
 */
export function translateDiskError(error: unknown, doing: string, more = ""): unknown {
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new AppError("NO_SPACE", `${doing}: no space left`, {
        cause: error,
        hint: `Free some space there${more}.`,
      });
    case "ENOENT":
      return isUnmade(error) ? readOnly(error, doing) : error;
    case "EROFS":
      return readOnly(error, doing);
    case "EACCES":
    case "EPERM":
      return new AppError("REFUSED", `${doing}: permission denied`, {
        cause: error,
        hint: "Run lastgood as the user who owns it.",
      });
    case "ENAMETOOLONG":
      return new AppError("REFUSED", `${doing}: the name is too long here`, { cause: error });
    case "ENOTDIR":
      return new AppError("NOT_FOUND", `${doing}: a part of the path is no folder`, {
        cause: error,
      });
    case "EIO":
    case "ESTALE":
    case "ETIMEDOUT":
      return new AppError("UNAVAILABLE", `${doing}: the disk does not answer`, { cause: error });
    case "ERR_SQLITE_ERROR":
      return translateSqliteError(error, doing);
    default:
      return error;
  }
}

function readOnly(cause: unknown, doing: string): AppError {
  return new AppError("REFUSED", `${doing}: the disk is read-only`, {
    cause,
    hint: "Mount it for writing. Linux makes a disk with errors read-only: see dmesg.",
  });
}

/** On a disk that is read-only Node says ENOENT of a folder that it cannot make with those above it. */
function isUnmade(error: unknown): boolean {
  const { syscall, path: folder } = error as { syscall?: unknown; path?: unknown };
  if (syscall !== "mkdir" || typeof folder !== "string") return false;
  let above = path.dirname(folder);
  while (!existsSync(above) && above !== path.dirname(above)) above = path.dirname(above);
  return isReadOnly(above);
}

/**
 * Of bytes that cannot be read though their file was opened, CORRUPT: a bad sector, or what a file system knows by
 * its own checksums to be damaged. Of a disk that is gone the opening fails as well. Anything else is given back.
 */
export function translateReadError(error: unknown, doing: string): unknown {
  const isOfRead = (error as { syscall?: unknown }).syscall === "read";
  if (!isOfRead || !UNREADABLE.has(systemCode(error))) return error;
  return new AppError("CORRUPT", `${doing}: the disk cannot read it`, {
    cause: error,
    hint: "The disk fails (see dmesg). Bring what it can still read to another: lastgood copy.",
  });
}

const UNREADABLE: ReadonlySet<string | undefined> = new Set([
  "EIO",
  "EUCLEAN",
  "EBADMSG",
  "ENODATA",
]);

/** The same of an error that names its file, which is told; any other is given back as it is. */
export function translateFileError(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || !("path" in error)) return error;
  return translateDiskError(error, `${doing}: ${String(error.path)}`);
}

/** By the lower byte of its code (https://www.sqlite.org/rescode.html). */
function translateSqliteError(error: unknown, doing: string): unknown {
  const say = (code: ErrorCode, what: string, hint: string): AppError =>
    new AppError(code, `${doing}: ${what}`, { cause: error, hint });
  switch (((error as { errcode?: number }).errcode ?? 0) & 0xff) {
    case 13:
      return say("NO_SPACE", "no space left", "Free some space where state: lies.");
    case 8:
      return say("REFUSED", "the state cannot be written", "See who owns the folder of state:.");
    case 5:
      return say("LOCKED", "somebody else is writing", "Try again.");
    case 10:
    case 14:
      return say("UNAVAILABLE", "the disk does not take it", "See whether that of state: is full.");
    default:
      return error;
  }
}
