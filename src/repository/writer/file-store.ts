import { CHUNK_BYTES_MIN } from "../chunk-limits.ts";
import type { ByteString } from "../format/go-string.ts";
import type { Jobs, Range } from "../workers/jobs.ts";
import { type Identity, isUntouched, lookAt } from "../workers/identity.ts";
import { ANOTHER_FILE, sourceCode } from "../workers/source-errors.ts";
import type { BlobSink } from "./blob-sink.ts";
import { hexIds } from "./hex-ids.ts";

/**
 * How a file is cut. By content: what was inserted moves the cuts, as restic does it. Into pages:
 * for databases and indexes, which change in place; small pieces then keep a change small.
 */
export type Chunking = "content" | "pages";

export type StoredFile =
  | {
      readonly content: readonly string[];
      readonly sizeBytes: number;
      /** Whether it was written to while it was read. */
      readonly changed: boolean;
    }
  | { readonly errorCode: string; readonly message: string };

export type FileToStore = {
  readonly path: ByteString;
  /** As it was when the walk came by. */
  readonly seen: Identity;
  readonly chunking: Chunking;
};

export type FileStore = {
  /** Returns as soon as there is room for more; `done` never rejects for what the file does. */
  store(file: FileToStore): Promise<{ done: Promise<StoredFile> }>;
  /** Starts what still waits for a batch to fill up. */
  flush(): Promise<void>;
};

const BATCH_FILES_MAX = 256;
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
/** For each group a thread asks once what is to be stored, and waits for the answer. */
const GROUP_BYTES = 4 * 1024 * 1024;
/** Large files that are cut at the same time. */
const LARGE_AT_ONCE = 2;

/** Some 16,000 pieces a file, of 64 KiB to 1 MiB: an index entry takes 55 bytes of memory. */
function pieceBytes(sizeBytes: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, sizeBytes / 16_384)));
  return Math.min(1024 * 1024, Math.max(64 * 1024, wanted));
}

type Waiting = { readonly file: FileToStore; readonly result: PromiseWithResolvers<StoredFile> };

export function createFileStore(sink: BlobSink): FileStore {
  let batch: Waiting[] = [];
  let batchBytes = 0;
  const large = new Set<Promise<unknown>>();

  const flush = async (): Promise<void> => {
    const files = batch;
    batch = [];
    batchBytes = 0;
    if (files.length === 0) return;
    try {
      const { done } = await sink.start("storeFiles", {
        files: files.map(({ file: { path, seen } }) => ({ path, seen })),
      });
      void done.then(
        (output) => deliver(files, output, sink),
        (error) => failAll(files, error),
      );
    } catch (error) {
      failAll(files, error);
      throw error;
    }
  };

  return {
    flush,
    async store(file) {
      if (file.seen.sizeBytes > CHUNK_BYTES_MIN) {
        while (large.size >= LARGE_AT_ONCE) await Promise.race(large).catch(() => {});
        const done = storeLarge(file, sink);
        const tracked: Promise<unknown> = done.finally(() => large.delete(tracked));
        large.add(tracked);
        tracked.catch(() => {});
        return { done };
      }
      const result = Promise.withResolvers<StoredFile>();
      batch.push({ file, result });
      batchBytes += file.seen.sizeBytes;
      if (batch.length >= BATCH_FILES_MAX || batchBytes >= BATCH_BYTES_MAX) await flush();
      return { done: result.promise };
    },
  };
}

function deliver(
  files: readonly Waiting[],
  { ids, files: results }: Jobs["storeFiles"]["out"],
  sink: BlobSink,
): void {
  const all = hexIds(ids);
  let next = 0;
  for (const [index, { file, result }] of files.entries()) {
    const read = results[index]!;
    if ("errorCode" in read) result.resolve(orAnother(file, read, sink));
    else result.resolve({ ...read, content: read.sizeBytes === 0 ? [] : [all[next++]!] });
  }
}

function failAll(files: readonly Waiting[], error: unknown): void {
  for (const { result } of files) {
    // Those who wait hear of it; where nobody does, the sink has it anyway.
    result.promise.catch(() => {});
    result.reject(error);
  }
}

/** One that is replaced all the time is no file that can be stored. */
const TRIES_MAX = 3;

async function storeLarge(file: FileToStore, sink: BlobSink): Promise<StoredFile> {
  return await orAnother(file, await storeParts(file, sink), sink);
}

/** Where another file took the place of the one that was to be stored, that one as a whole. */
async function orAnother(
  file: FileToStore,
  first: StoredFile,
  sink: BlobSink,
): Promise<StoredFile> {
  let stored = first;
  for (let tries = 1; tries < TRIES_MAX; tries++) {
    if (!("errorCode" in stored) || stored.errorCode !== ANOTHER_FILE) break;
    try {
      stored = await storeParts({ ...file, seen: lookAt(file.path) }, sink);
    } catch (error) {
      return sourceProblem(error);
    }
  }
  return stored === first ? stored : { ...stored, changed: true };
}

async function storeParts(file: FileToStore, sink: BlobSink): Promise<StoredFile> {
  try {
    const parts: Promise<Jobs["storeRanges"]["out"]>[] = [];
    for await (const ranges of groupsOf(file, sink)) {
      const { path, seen } = file;
      const { done } = await sink.start("storeRanges", { path, seen, ranges });
      done.catch(() => {});
      parts.push(done);
    }
    const stored = await Promise.all(parts);
    return {
      content: stored.flatMap(({ ids }) => hexIds(ids)),
      sizeBytes: stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      changed: hasChanged(file),
    };
  } catch (error) {
    return sourceProblem(error);
  }
}

/** What is wrong with the file; anything else is thrown again. */
function sourceProblem(error: unknown): StoredFile {
  const errorCode = sourceCode(error);
  if (errorCode === undefined) throw error;
  return { errorCode, message: (error as Error).message };
}

/** A file that has vanished since was whole when it was read. */
function hasChanged({ path, seen }: FileToStore): boolean {
  try {
    return !isUntouched(lookAt(path), seen);
  } catch (error) {
    if (sourceCode(error) === undefined) throw error;
    return true;
  }
}

/** The pieces of a file, some megabytes at a time. */
async function* groupsOf(file: FileToStore, sink: BlobSink): AsyncGenerator<Range[]> {
  let group: Range[] = [];
  let bytes = 0;
  for await (const range of rangesOf(file, sink)) {
    group.push(range);
    bytes += range.length;
    if (bytes < GROUP_BYTES) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}

async function* rangesOf(file: FileToStore, sink: BlobSink): AsyncGenerator<Range> {
  const { path, seen, chunking } = file;
  const { sizeBytes } = seen;
  if (chunking === "pages") {
    const length = pieceBytes(sizeBytes);
    for (let offset = 0; offset < sizeBytes; offset += length) {
      yield { offset, length: Math.min(length, sizeBytes - offset) };
    }
    return;
  }
  // What has taken the place of a large file can be empty.
  if (sizeBytes === 0) return;
  const scan = (from: number): Promise<readonly number[]> => {
    const lengths = sink
      .start("scan", { path, seen, from })
      .then(async ({ done }) => (await done).lengths);
    // It is heard of when its turn comes; whoever stops before that does not mind.
    lengths.catch(() => {});
    return lengths;
  };
  for (let offset = 0, ahead = scan(0); offset < sizeBytes;) {
    const lengths = await ahead;
    const end = lengths.reduce((sum, length) => sum + length, offset);
    // The next cuts are searched while these pieces are stored, else threads would wait for them.
    if (end < sizeBytes) ahead = scan(end);
    for (const length of lengths) {
      yield { offset, length };
      offset += length;
    }
  }
}
