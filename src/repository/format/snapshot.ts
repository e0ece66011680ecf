import { AppError } from "../../base/errors.ts";
import { parseTime } from "./go-time.ts";

/** What restic counts while it backs up; written since 0.17 and kept when read. */
export type SnapshotSummary = {
  readonly backup_start: string;
  readonly backup_end: string;
  readonly files_new: number;
  readonly files_changed: number;
  readonly files_unmodified: number;
  readonly dirs_new: number;
  readonly dirs_changed: number;
  readonly dirs_unmodified: number;
  readonly data_blobs: number;
  readonly tree_blobs: number;
  readonly data_added: number;
  readonly data_added_packed: number;
  readonly total_files_processed: number;
  readonly total_bytes_processed: number;
};

/** A snapshot file, with restic's names, in restic's order. */
export type SnapshotFile = {
  /** RFC 3339. */
  readonly time: string;
  readonly parent?: string | undefined;
  readonly tree: string;
  readonly paths: readonly string[];
  readonly hostname?: string | undefined;
  readonly username?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly excludes?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly original?: string | undefined;
  readonly program_version?: string | undefined;
  readonly summary?: SnapshotSummary | undefined;
};

export type Snapshot = SnapshotFile & { readonly id: string };

export function encodeSnapshot(file: SnapshotFile): string {
  const { time, parent, tree, paths, hostname, username, uid, gid, excludes, tags } = file;
  const { original, program_version, summary } = file;
  return JSON.stringify({
    time,
    parent,
    tree,
    paths,
    hostname,
    username,
    uid: uid || undefined,
    gid: gid || undefined,
    excludes: excludes?.length ? excludes : undefined,
    tags: tags?.length ? tags : undefined,
    original,
    program_version,
    summary,
  });
}

/** Checks what the rest of the program relies on; other fields are kept as they are. */
export function decodeSnapshot(json: unknown, id: string): Snapshot {
  const file = (json ?? {}) as SnapshotFile;
  const isRight =
    typeof file.time === "string" &&
    parseTime(file.time) !== undefined &&
    /^[0-9a-f]{64}$/.test(file.tree) &&
    Array.isArray(file.paths ?? []) &&
    Array.isArray(file.tags ?? []);
  if (!isRight) throw new AppError("CORRUPT", `read snapshot ${id}: it is damaged`);
  return { ...file, paths: file.paths ?? [], id };
}
