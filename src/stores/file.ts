import type { BigIntStats } from "node:fs";
import { copyFile, lstat, mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, hasCode, isNothing, nothingThere } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import { placeOf } from "../slots/place.ts";
import { pathInPoint } from "./path-in-point.ts";
import { own } from "./ownership.ts";
import {
  type Captured,
  errorWord,
  tellProblems,
  type Ownership,
  type FileStore,
  type StoreContext,
} from "./store.ts";

export type FileConfig = {
  /** Without links. */
  readonly path: string;
  /** Its name in a point: that of the configured path. */
  readonly base: string;
  /** What it has to be; "any" is not looked into. */
  readonly format: "json" | "any";
  readonly optional: boolean;
  readonly ownership: Ownership;
};

const JSON_BYTES_MAX = 64 * 1024 * 1024;
/** An application that writes a file in place takes a moment for it. */
const TRIES_MAX = 5;
const AGAIN_MS = 100;

/** A single file, such as a registry that its application replaces as a whole. */
export function fileStore(config: FileConfig, { name, temporary }: StoreContext): FileStore {
  const { base } = config;
  const ownName = path.basename(config.path);

  const problemsOf = async (file: string): Promise<string[]> => {
    const stat = await statOf(file);
    if (stat === undefined) return [errorWord(name, "snapshot_missing")];
    if (config.format === "any") return [];
    if (stat.size > JSON_BYTES_MAX) return [errorWord(name, "too_large")];
    return isJson(await readFile(file, "utf8")) ? [] : [errorWord(name, "invalid_json")];
  };

  const parts = { name, temporary, problemsOf };
  const captureAt = async (file: string, into: Writer, at: string, run: Run): Promise<Captured> =>
    await captureFile({ ...parts, config: { ...config, path: file } }, into, `${at}/${base}`, run);

  return {
    kind: "file",
    name,
    where: config.path,
    livePath: config.path,

    capture: (into, at, run) => captureAt(config.path, into, at, run),

    captureLying: (folder, into, at, run) => captureAt(path.join(folder, ownName), into, at, run),

    place: async () => placeOf(config.path, []),

    async materialise(from, at, folder, run) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const then = await pathInPoint(from, at, base);
      tellProblems(await from.file(then, path.join(folder, ownName)), run);
      await own(path.join(folder, ownName), config.ownership);
    },

    validate: (folder) => problemsOf(path.join(folder, ownName)),

    async loss(from, at) {
      const live = await readFile(config.path).catch(() => undefined);
      if (live === undefined) return ["nothing: it is gone"];
      const lay = await pathInPoint(from, at, base);
      const then = await from.find(lay);
      if (then?.sizeBytes === live.length && (await from.read(lay)).equals(live)) return [];
      return [`changed: ${live.length} bytes now, ${then?.sizeBytes ?? "no"} then`];
    },
  };
}

async function captureFile(
  copying: FileCapture,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const { name, config } = copying;
  const { path: file, optional, format } = config;
  const found = await lstat(file, { bigint: true }).catch(nothingThere);
  if (found === undefined) return nothing(optional ? [] : [errorWord(name, "missing")]);
  try {
    return format === "json"
      ? await captureCopy(copying, found, into, at, run)
      : await captureLive(file, into, at);
  } catch (error) {
    if (!hasCode(error, "SOURCE_FAILED")) throw error;
    // The other stores are still worth a copy; the point is invalid and says why.
    return nothing([errorWord(name, "unreadable")], [(error as Error).message]);
  }
}

function nothing(errors: readonly string[], warnings: readonly string[] = []): Captured {
  return { facts: undefined, errors, warnings };
}

async function captureLive(file: string, into: Writer, at: string): Promise<Captured> {
  const { sizeBytes, changed } = await into.file(at, file, { chunking: "content" });
  const warnings = changed ? [`${file}: written to while it was read`] : [];
  return { facts: { bytes: sizeBytes, files: 1 }, errors: [], warnings };
}

type FileCapture = {
  readonly config: FileConfig;
  readonly name: string;
  readonly temporary: string;
  readonly problemsOf: (file: string) => Promise<string[]>;
};

/** What is looked into is what is stored: a file that is just being written is read again. */
async function captureCopy(
  { config, name, temporary, problemsOf }: FileCapture,
  { mode, uid, gid, mtimeNs }: BigIntStats,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const copy = path.join(temporary, `${name.replaceAll("/", "-")}.file`);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  try {
    await copyOf(config.path, copy);
    let errors = await problemsOf(copy);
    for (let tries = 1; errors.length > 0 && tries < TRIES_MAX; tries++) {
      await sleep(AGAIN_MS, undefined, { signal: run.signal });
      await copyOf(config.path, copy);
      errors = await problemsOf(copy);
    }
    const { sizeBytes } = await into.file(at, copy, {
      chunking: "content",
      attributesOf: config.path,
      metadata: { mode: Number(mode), uid: Number(uid), gid: Number(gid), mtimeNs },
    });
    return { facts: { bytes: sizeBytes, files: 1 }, errors, warnings: [] };
  } finally {
    await rm(copy, { force: true });
  }
}

async function copyOf(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch((error: unknown) => {
    throw new AppError("SOURCE_FAILED", `read ${from}: ${(error as Error).message}`, {
      cause: error,
    });
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Why it is none helps nobody at this place; the file is there to be looked at.
    return false;
  }
}

async function statOf(file: string): Promise<{ size: number } | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (isNothing(error)) return undefined;
    throw error;
  }
}
