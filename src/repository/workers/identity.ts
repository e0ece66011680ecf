import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import type { ByteString } from "../format/go-string.ts";
import { rawPath } from "./raw-path.ts";
import { ofSource, sourceError } from "./source-errors.ts";

/** By what is told whether a file is still the one that was seen, and unchanged. */
export type Identity = {
  readonly device: bigint;
  readonly inode: bigint;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
};

export function identityOf(stat: BigIntStats): Identity {
  return {
    device: stat.dev,
    inode: stat.ino,
    sizeBytes: Number(stat.size),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
  };
}

export function isSameFile(a: Identity, b: Identity): boolean {
  return a.device === b.device && a.inode === b.inode;
}

export function isUntouched(a: Identity, b: Identity): boolean {
  return (
    isSameFile(a, b) &&
    a.sizeBytes === b.sizeBytes &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}

/** As the file at a path is now. What the operating system refuses is marked as of a source. */
export function lookAt(path: ByteString): Identity {
  const stat = ofSource(() => lstatSync(rawPath(path), { bigint: true }));
  if (!stat.isFile()) throw replaced(path);
  return identityOf(stat);
}

export type SourceFile = Disposable & { readonly descriptor: number; now(): Identity };

/** Never follows a link and never waits for the other end of a pipe: neither was there before. */
const SAFELY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a file for reading, if it is still one. */
export function openSource(path: ByteString): SourceFile {
  const descriptor = openAt(path);
  const now = (): Identity => identityOf(ofSource(() => fstatSync(descriptor, { bigint: true })));
  const file = { descriptor, now, [Symbol.dispose]: () => closeSync(descriptor) };
  if (ofSource(() => fstatSync(descriptor)).isFile()) return file;
  closeSync(descriptor);
  throw replaced(path);
}

function openAt(path: ByteString): number {
  try {
    return openSync(rawPath(path), SAFELY);
  } catch (error) {
    // A link, or a socket.
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ELOOP" || code === "ENXIO") throw replaced(path);
    return ofSource(() => {
      throw error;
    });
  }
}

function replaced(path: ByteString): Error {
  return sourceError("replaced", `${rawPath(path).toString()}: replaced while it was read`);
}
