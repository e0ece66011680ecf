import type { ByteString } from "../format/go-string.ts";
import type { BlobType } from "../format/pack-header.ts";
import type { MasterKey } from "../crypto/master-key.ts";
import type { Identity } from "./identity.ts";
import type { Edge } from "./target-file.ts";

/** What every worker of a pool is told first. */
export type WorkerSetup = {
  readonly key: MasterKey;
  readonly polynomial: bigint;
  /** Version 1 has no compression. */
  readonly version: 1 | 2;
  readonly spoolFolder: string;
};

/** A piece of a file. */
export type Range = { readonly offset: number; readonly length: number };

/** A part of a pack: its bytes, or where a thread reads them itself. */
export type PackBytes = Uint8Array | ({ readonly file: string } & Range);

/** What a file looked like when it was read. */
export type ReadFileResult =
  | { readonly sizeBytes: number; readonly changed: boolean }
  | { readonly errorCode: string; readonly message: string };

/** A blob in a pack, and what has to become of it. */
export type StoredBlob = {
  readonly id: string;
  readonly type: BlobType;
  readonly offset: number;
  readonly length: number;
  readonly uncompressedLength: number;
};

/** See `TargetFile.write`. */
export type FileEdge = Edge & { readonly path: ByteString };

export type WriteTarget = { readonly path: ByteString; readonly offset: number };

/** What a restored file or link shall look like at the end. */
export type FileFinish = {
  readonly path: ByteString;
  readonly type: "file" | "dir" | "symlink" | "fifo" | "dev" | "chardev";
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly sizeBytes: number;
  readonly linkTarget: ByteString;
  /** The file of which this is another name, when it is a hard link. */
  readonly sameAs?: ByteString | undefined;
};

/** The jobs that a worker does: kind → what goes in and what comes out. */
export type Jobs = {
  /** Finds where the chunks of a file end, from the start of a chunk on, for some 32 MiB. */
  scan: {
    in: { path: ByteString; seen: Identity; from: number };
    out: { lengths: number[] };
  };
  /** Stores pieces of the file that was seen. Says how much of them there was to read. */
  storeRanges: {
    in: { path: ByteString; seen: Identity; ranges: readonly Range[] };
    out: { ids: Uint8Array; sizeBytes: number };
  };
  /** Stores small files, each as one chunk. Ids in order; empty files and errors have none. */
  storeFiles: {
    in: { files: readonly { path: ByteString; seen: Identity }[] };
    out: { ids: Uint8Array; files: ReadFileResult[] };
  };
  /** Stores blobs that were made in memory. With lengths the pieces are no blobs: they are in them one behind the other. */
  storeBlobs: {
    in: { type: BlobType; blobs: readonly Uint8Array[]; lengths?: readonly number[] };
    out: { ids: Uint8Array };
  };
  /**
   * Finds where the chunks end of what comes in pieces, in the order in which it comes, by a thread of one's own.
   * A place may be told only with the next piece; the last piece ends the last chunk.
   */
  cut: {
    in: { bytes: Uint8Array; size: number; isLast: boolean };
    out: { ends: number[] };
  };
  /** Closes the open packs, however small. */
  closePacks: { in: object; out: object };
  /** Writes blobs of a part of a pack to where they belong. */
  writeBlobs: {
    in: {
      packId: string;
      part: PackBytes;
      blobs: readonly (StoredBlob & { targets: readonly WriteTarget[] })[];
      /** See `openTarget`. */
      pastCache: boolean;
    };
    out: { edges: readonly FileEdge[] };
  };
  /** Writes what was left of files, while nothing else goes to them. */
  writeEdges: { in: { edges: readonly FileEdge[] }; out: object };
  /** Gives restored files their size, owner, times and mode; makes links and empty files. */
  finishFiles: {
    in: { files: readonly FileFinish[] };
    out: { problems: string[] };
  };
  /** Opens blobs of a part of a pack and gives back what is in them. */
  readBlobs: {
    in: { packId: string; part: PackBytes; blobs: readonly StoredBlob[] };
    out: { plain: Uint8Array[] };
  };
  /** Verifies a whole pack against what the index says of it. Problems in words. */
  checkPack: {
    in: { packId: string; part: PackBytes; blobs: readonly StoredBlob[] };
    out: { problems: string[] };
  };
};

export type JobKind = keyof Jobs;

/** A finished pack in the spool folder. Its blobs are in the plain header. */
export type PackFile = { readonly file: string; readonly id: string; readonly header: Uint8Array };

export type ToWorker =
  | { readonly type: "setup"; readonly setup: WorkerSetup; readonly lanes: number }
  | { readonly type: "job"; readonly job: number; readonly kind: JobKind; readonly input: unknown }
  | { readonly type: "claimed"; readonly wanted: Uint8Array }
  | { readonly type: "give way" }
  | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "done"; readonly job: number; readonly output: unknown }
  | { readonly type: "failed"; readonly job: number; readonly error: WorkerError }
  | { readonly type: "claim"; readonly ids: Uint8Array; readonly blobType: BlobType }
  | { readonly type: "pack"; readonly pack: PackFile };

/** An error on its way between threads, where classes are lost. */
export type WorkerError = {
  readonly message: string;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  readonly isAppError: boolean;
  readonly stack: string | undefined;
};
