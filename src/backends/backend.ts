import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";

/** The name of an object: path segments, such as "data/4f/4f2a…". */
export type Key = string & { readonly __brand: "Key" };

export type ObjectInfo = { readonly key: Key; readonly sizeBytes: number };

export type Range = { readonly offsetBytes: number; readonly lengthBytes: number };

/** A file that `put` may take away, to store it without reading it into memory. */
export type SpoolFile = { readonly file: string };

/**
 * A place where a repository keeps its files: a folder, a bucket, a server.
 *
 * Failures are AppErrors with the codes named below. Anything that may go away by itself is
 * UNAVAILABLE, and only that is retried. Every call stops when its signal aborts.
 */
export interface Backend extends AsyncDisposable {
  /** For people: "s3://bucket/prefix". Never contains a secret. */
  readonly label: string;

  /** The folder in which each object is a file named by its key; undefined: it is not so. */
  readonly localFolder: string | undefined;

  /** Where spool files should be written, so that `put` can take them by renaming. */
  readonly spoolFolder: string;

  /**
   * Stores a whole object: after a crash it is there completely or not at all. A spool file is
   * gone afterwards. ALREADY_EXISTS, NO_SPACE.
   */
  put(key: Key, data: Uint8Array | SpoolFile, run: Run): Promise<void>;

  /**
   * What is given back may lie in `into`, which has room for the range. NOT_FOUND; CORRUPT when the
   * object is shorter than the range.
   */
  get(key: Key, range: Range | "all", run: Run, into?: Uint8Array): Promise<Uint8Array>;

  /** Lists the objects whose key starts with the prefix, in any order. */
  list(prefix: string, run: Run): AsyncIterable<ObjectInfo>;

  /** Removes an object. It is no error when it is not there. */
  remove(key: Key, run: Run): Promise<void>;

  /** Locks an object anew for as long as new ones are; undefined where objects are not locked. */
  readonly keepLonger?: (key: Key, run: Run) => Promise<void>;
}

export function key(text: string): Key {
  if (!isKey(text))
    throw new AppError("USAGE", `name an object: ${JSON.stringify(text)} is no key`);
  return text;
}

export function isKey(text: string): text is Key {
  return /^[a-z0-9][a-z0-9._-]*(\/[a-z0-9][a-z0-9._-]*)*$/.test(text);
}
