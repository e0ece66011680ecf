import {
  chmodSync,
  closeSync,
  constants,
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
  writeSync,
} from "node:fs";
import { systemCode } from "../../base/errors.ts";
import { type ByteString, toText } from "../format/go-string.ts";
import type { Desk } from "./desk.ts";
import type { FileFinish, Jobs } from "./jobs.ts";
import { layPart, openBlob } from "./open-blobs.ts";
import { rawPath } from "./raw-path.ts";

const OPEN_FILES_MAX = 32;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
/** Nobody but the owner sees a file before it has its own mode. */
const MODE_AT_FIRST = 0o600;

/** Puts blobs where they belong. Zeros are left out of new files, so that holes stay holes. */
export function writeBlobs({ packId, part, blobs }: Jobs["writeBlobs"]["in"], desk: Desk): object {
  using files = openFiles();
  const laid = layPart(part, packId, desk);
  for (const blob of blobs) {
    const plain = openBlob(laid, blob, packId, desk);
    const isHole = isZero(plain);
    for (const { path, offset } of blob.targets) {
      const descriptor = files.open(path);
      if (!isHole) writeAll(descriptor, plain, offset);
    }
  }
  return {};
}

/** A few descriptors kept open, since neighbouring blobs mostly belong to the same file. */
function openFiles(): Disposable & { open(path: ByteString): number } {
  const open = new Map<ByteString, number>();
  return {
    open(path) {
      const known = open.get(path);
      if (known !== undefined) return known;
      if (open.size === OPEN_FILES_MAX) {
        const [oldest, descriptor] = open.entries().next().value!;
        open.delete(oldest);
        closeSync(descriptor);
      }
      const descriptor = openSync(rawPath(path), CREATE, MODE_AT_FIRST);
      open.set(path, descriptor);
      return descriptor;
    },
    [Symbol.dispose]() {
      for (const descriptor of open.values()) closeSync(descriptor);
    },
  };
}

const ZEROS = Buffer.alloc(64 * 1024);

function isZero(plain: Uint8Array): boolean {
  if (plain[0] !== 0 || plain.at(-1) !== 0) return false;
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const end = Math.min(bytes.length, at + ZEROS.length);
    if (bytes.compare(ZEROS, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}

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

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}
