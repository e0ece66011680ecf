import { AppError, systemCode } from "./errors.ts";

/**
 * What a disk says no with, in our words: NO_SPACE, REFUSED, UNAVAILABLE. Anything else is given
 * back as it is. `doing` is as in "write data/4f/4f2a… in /srv/backup".
 */
export function translateDiskError(error: unknown, doing: string): unknown {
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new AppError("NO_SPACE", `${doing}: no space left`, {
        cause: error,
        hint: "Free some space there, or thin out the points: lastgood forget --plan, then lastgood prune.",
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new AppError("REFUSED", `${doing}: permission denied`, {
        cause: error,
        hint: "Run lastgood as the user who owns it; see whether the disk is mounted read-only.",
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
    default:
      return error;
  }
}
