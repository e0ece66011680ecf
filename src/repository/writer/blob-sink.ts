import { hash, randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import { encodeIndex, type IndexedPack } from "../format/index-file.ts";
import { decodeHeader, plainBytesOf } from "../format/pack-header.ts";
import type { BlobIndex } from "../index/blob-index.ts";
import type { JobKind, Jobs, PackFile } from "../workers/jobs.ts";
import { openPool } from "../workers/pool.ts";
import { sourceCode } from "../workers/source-errors.ts";

/** What was added to the repository. */
export type Added = {
  dataBlobs: number;
  treeBlobs: number;
  /** Plain bytes of the new blobs. */
  bytes: number;
  /** What they take in the repository. */
  bytesPacked: number;
};

/**
 * Where blobs go: deduplicated, packed and put away in threads. Packs are saved before the index
 * that lists them, and all of it before a snapshot may name it.
 */
export type BlobSink = AsyncDisposable & {
  readonly index: BlobIndex;
  readonly added: Added;
  /** Starts a job as soon as there is room for one; `done` is its end. Throws when one failed. */
  start<Kind extends JobKind>(
    kind: Kind,
    input: Jobs[Kind]["in"],
  ): Promise<{ done: Promise<Jobs[Kind]["out"]> }>;
  /** From now on other programs go first: one makes what is stored, and is what everybody waits for. */
  giveWay(): void;
  /** Stores a tree and returns its id at once. */
  tree(bytes: Buffer): Promise<string>;
  /** Everything that was started is in the repository and in its index. */
  finish(): Promise<void>;
};

const INDEX_BLOBS_MAX = 50_000;
const INDEX_AGE_MS_MAX = 10 * 60_000;
const TREE_BATCH_BYTES = 1024 * 1024;
/**
 * Packs on their way to the backend, beyond which no new job is started: each takes its 16 MiB of memory,
 * and a connection to a server far away has a limit of its own.
 */
const PACKS_UNSAVED_MAX = 6;

export function openBlobSink(core: Core, index: BlobIndex, run: Run): BlobSink {
  const added: Added = { dataBlobs: 0, treeBlobs: 0, bytes: 0, bytesPacked: 0 };
  const running = new Set<Promise<unknown>>();
  const saving = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let unindexed: IndexedPack[] = [];
  let unindexedBlobs = 0;
  let indexedMs = core.clock.now().getTime();
  let trees: Buffer[] = [];
  let treeBytes = 0;

  // Of its own, so that whatever a failure leaves in it can go without a look at it.
  const spoolFolder = path.join(core.backend.spoolFolder, randomUUID());
  const pool = openPool(
    {
      key: core.key,
      polynomial: core.config.polynomial,
      version: core.config.version,
      spoolFolder,
    },
    core.threads,
    {
      owner: {
        claim: (ids, type) =>
          Uint8Array.from({ length: ids.length / 32 }, (_, i) =>
            index.claim(ids, i * 32, type) ? 1 : 0,
          ),
        pack: (pack) => track(saving, savePack(pack)),
      },
    },
  );

  const track = <T>(set: Set<Promise<T>>, task: Promise<T>): void => {
    const tracked: Promise<T> = task.finally(() => set.delete(tracked));
    set.add(tracked);
    tracked.catch((error: unknown) => {
      // What a source does is for whoever stores it to say; the repository is well.
      if (sourceCode(error) === undefined) failures.push(error);
    });
  };

  const savePack = async ({ id, file, header }: PackFile): Promise<void> => {
    const blobs = decodeHeader(Buffer.from(header), `pack ${id}`);
    await core.backend.put(packKey(id), { file }, run);
    for (const blob of blobs) {
      index.add(id, blob);
      added[blob.type === "tree" ? "treeBlobs" : "dataBlobs"]++;
      added.bytes += plainBytesOf(blob);
      added.bytesPacked += blob.length;
    }
    unindexed.push({ id, blobs });
    unindexedBlobs += blobs.length;
    const ageMs = core.clock.now().getTime() - indexedMs;
    if (unindexedBlobs >= INDEX_BLOBS_MAX || ageMs >= INDEX_AGE_MS_MAX) await saveIndex();
  };

  const saveIndex = async (): Promise<void> => {
    if (unindexed.length === 0) return;
    const packs = unindexed;
    unindexed = [];
    unindexedBlobs = 0;
    indexedMs = core.clock.now().getTime();
    await core.files.save("index", encodeIndex(packs), run);
  };

  const throwFailure = (): void => {
    run.signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  };

  const start: BlobSink["start"] = async (kind, input) => {
    while (running.size >= pool.threads * 2 || saving.size >= PACKS_UNSAVED_MAX) {
      // What failed is thrown below, whoever waited for it.
      await Promise.race([...running, ...saving]).catch(() => {});
    }
    throwFailure();
    const done = pool.run(kind, input);
    track(running as Set<typeof done>, done);
    return { done };
  };

  const flushTrees = async (): Promise<void> => {
    const blobs = trees;
    trees = [];
    treeBytes = 0;
    if (blobs.length > 0) await start("storeBlobs", { type: "tree", blobs });
  };

  return {
    index,
    added,
    start,
    giveWay: pool.giveWay,
    async tree(bytes) {
      const id = hash("sha256", bytes);
      if (index.has(id, "tree")) return id;
      trees.push(bytes);
      treeBytes += bytes.length;
      if (treeBytes >= TREE_BATCH_BYTES) await flushTrees();
      return id;
    },
    async finish() {
      await flushTrees();
      await Promise.allSettled(running);
      throwFailure();
      await pool.runOnAll("closePacks", {});
      await Promise.allSettled(saving);
      throwFailure();
      await saveIndex();
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(saving);
      await pool[Symbol.asyncDispose]();
      await rm(spoolFolder, { recursive: true, force: true });
    },
  };
}
