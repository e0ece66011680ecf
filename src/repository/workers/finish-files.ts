import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { systemCode } from "../../base/errors.ts";
import { toText } from "../format/go-string.ts";
import type { FileFinish, Jobs } from "./jobs.ts";
import { rawPath } from "./raw-path.ts";
import { CREATE, MODE_AT_FIRST } from "./target-file.ts";

/** Finishes what can be finished; the rest is reported in words. A file is never left readable. */
export function finishFiles({ files }: Jobs["finishFiles"]["in"]): Jobs["finishFiles"]["out"] {
  const problems: string[] = [];
  for (const file of files) {
    try {
      finish(file);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      problems.push(`${toText(file.path)}: ${(error as Error).message}`);
    }
  }
  return { problems };
}

function finish(file: FileFinish): void {
  const path = rawPath(file.path);
  if (file.sameAs !== undefined) return linkSync(rawPath(file.sameAs), path);
  switch (file.type) {
    case "file":
      return finishFile(file);
    case "symlink":
      symlinkSync(rawPath(file.linkTarget), path);
      giveTo(() => lchownSync(path, file.uid, file.gid));
      return lutimesSync(path, seconds(file.atimeNs), seconds(file.mtimeNs));
    case "dir":
    case "fifo":
    case "dev":
    case "chardev":
      chmodSync(
        path,
        safely(
          file.permissions,
          giveTo(() => lchownSync(path, file.uid, file.gid)),
        ),
      );
      return utimesSync(path, seconds(file.atimeNs), seconds(file.mtimeNs));
  }
}

function finishFile(file: FileFinish): void {
  const descriptor = openSync(rawPath(file.path), CREATE, MODE_AT_FIRST);
  try {
    ftruncateSync(descriptor, file.sizeBytes);
    // The owner before the mode: changing the owner clears setuid.
    const isOwned = giveTo(() => fchownSync(descriptor, file.uid, file.gid));
    fchmodSync(descriptor, safely(file.permissions, isOwned));
    futimesSync(descriptor, seconds(file.atimeNs), seconds(file.mtimeNs));
  } finally {
    closeSync(descriptor);
  }
}

/** Only root may give files away: who restores as another user gets them as his own. */
function giveTo(chown: () => void): boolean {
  try {
    chown();
    return true;
  } catch (error) {
    if (systemCode(error) !== "EPERM") throw error;
    return false;
  }
}

/** What would run with the rights of its owner must not do so with another's. */
function safely(permissions: number, isOwned: boolean): number {
  return isOwned ? permissions : permissions & 0o1777;
}

/**
 * Node takes times as seconds in a double and cuts them to microseconds; half a microsecond more
 * keeps the double's own error from making that one less.
 */
function seconds(ns: bigint): number {
  const micros = ns / 1000n - (ns % 1000n < 0n ? 1n : 0n);
  return (Number(micros) + 0.5) / 1e6;
}
