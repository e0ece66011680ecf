import type { BigIntStats } from "node:fs";
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  lutimes,
  mkdir,
  readFile,
  readlink,
  rm,
  symlink,
} from "node:fs/promises";
import path from "node:path";
import { readAttributes, writeAttributes } from "../base/attributes.ts";
import { AppError, systemCode } from "../base/errors.ts";
import { freeze, type Frozen } from "../base/freeze.ts";
import type { Run } from "../base/events.ts";
import { namesIn } from "../base/effects.ts";
import { toPath } from "../base/raw-names.ts";
import { isMountPoint, NOT_CONTENT } from "../slots/place.ts";
import type { Held, Hold } from "./hold.ts";

/**
 * Copies the folder while the application runs, then freezes it just to copy again what changed
 * meanwhile. LOCKED when that takes longer than the limit: then the copy may be of two moments.
 */
export function holdFrozen(options: {
  readonly folder: string;
  readonly freeze: (run: Run) => Promise<Frozen>;
  /** Lets go on what a process that was lost has frozen; undefined: it does so by itself. */
  readonly release?: (run: Run) => Promise<void>;
  readonly limitMs: number;
  readonly temporary: string;
}): Hold {
  const { folder, limitMs, temporary, release } = options;
  const acquire = async (run: Run): Promise<Held> => {
    const copy = path.join(temporary, "frozen");
    await rm(copy, { recursive: true, force: true });
    await mkdir(copy, { recursive: true, mode: 0o700 });
    const seen: Seen = new Map();
    try {
      // At a mount point our own versions and the file system's own lie beside the content.
      const isLeftOut = (await isMountPoint(folder)) ? NOT_CONTENT : new Set<string>();
      await copyChanged(folder, copy, seen, run, isLeftOut);
      await using frozen = await options.freeze(run);
      await copyChanged(folder, copy, seen, run, isLeftOut);
      if (frozen.isLate()) throw tooSlow(folder, limitMs);
      await frozen[Symbol.asyncDispose]();
      await copyLooks(copy, await lstat(folder, { bigint: true }));
      await copyAttributes(folder, copy, run);
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      throw error;
    }
    return {
      folder: copy,
      [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
    };
  };
  return { acquire, release: release ?? (async () => {}), outlives: release !== undefined };
}

/** Of a process whose id stands in a file. If we are lost, a helper lets it go on at the limit. */
export function freezePidIn(pidFile: string, limitMs: number): () => Promise<Frozen> {
  return async () => await freeze(await readPid(pidFile), limitMs);
}

function tooSlow(folder: string, limitMs: number): AppError {
  return new AppError("LOCKED", `copy ${folder}: more than ${limitMs} ms for what had changed`, {
    hint: "Raise the limit of hold: { freeze }, or use hold: { stop: true } for this store.",
  });
}

async function readPid(file: string): Promise<number> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new AppError("SOURCE_FAILED", `read ${file}: ${(error as Error).message}`, {
      hint: "The application has to run and to write its process id there.",
      cause: error,
    });
  });
  const pid = Number(text.trim());
  if (Number.isInteger(pid) && pid > 1) return pid;
  throw new AppError("SOURCE_FAILED", `read ${file}: no process id in it`);
}

/** How each file looked when it was copied. */
type Seen = Map<string, { readonly identity: string; readonly isSettled: boolean }>;

/**
 * File systems give times in steps of some milliseconds: what was changed as late as this before
 * it was copied may be changed again without looking different, so it is copied again.
 */
const SETTLED_MS = 1000;

/** Makes the copy like the folder; what certainly has not changed since is not copied again. */
async function copyChanged(
  from: string,
  to: string,
  seen: Seen,
  run: Run,
  isLeftOut: ReadonlySet<string> = new Set(),
): Promise<void> {
  run.signal.throwIfAborted();
  const [there, here] = await Promise.all([namesIn(from), namesIn(to)]);
  const wanted = new Set(there.filter((name) => !isLeftOut.has(name)));
  for (const name of here.filter((old) => !wanted.has(old))) {
    await rm(toPath(path.join(to, name)), { recursive: true });
  }
  for (const name of wanted) {
    await copyEntry(path.join(from, name), path.join(to, name), seen, run);
  }
}

async function copyEntry(from: string, to: string, seen: Seen, run: Run): Promise<void> {
  try {
    const stat = await lstat(toPath(from), { bigint: true });
    if (stat.isDirectory()) {
      await mkdir(toPath(to), { recursive: true, mode: 0o700 });
      await copyLooks(to, stat);
      return await copyChanged(from, to, seen, run);
    }
    const { ino, size, mtimeNs, ctimeNs } = stat;
    const identity = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    const before = seen.get(from);
    if (before?.identity === identity && before.isSettled) return;
    const nowMs = performance.timeOrigin + performance.now();
    seen.set(from, { identity, isSettled: nowMs - Number(ctimeNs) / 1e6 > SETTLED_MS });
    await rm(toPath(to), { force: true, recursive: true });
    await copyOne(toPath(from), toPath(to), stat);
  } catch (error) {
    // Gone since it was listed. If that was while it ran, the next look sees the folder as it is.
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

/** Owner and mode of a folder. The owner first: changing it takes setgid away. */
async function copyLooks(to: string, stat: BigIntStats): Promise<void> {
  await lchown(toPath(to), Number(stat.uid), Number(stat.gid));
  await chmod(toPath(to), Number(stat.mode) & 0o7777);
}

/** ACLs and the like, all at once; they do not change from one moment to the next. */
async function copyAttributes(from: string, to: string, run: Run): Promise<void> {
  const relative = await pathsIn(to);
  const found = await readAttributes(
    relative.map((name) => `${bytesOf(from)}${name}`),
    run,
  );
  if (found === undefined) {
    run.report({ type: "warning", message: `attributes of ${from} are not kept: no getfattr` });
    return;
  }
  const length = bytesOf(from).length;
  const moved = new Map([...found].map(([file, all]) => [bytesOf(to) + file.slice(length), all]));
  for (const message of await writeAttributes(moved, run)) {
    run.report({ type: "warning", message });
  }
}

/** All that is in a folder, itself as "", each as its bytes in latin1. */
async function pathsIn(folder: string, below = ""): Promise<string[]> {
  const paths = [bytesOf(below)];
  for (const name of await namesIn(folder + below)) {
    const inside = `${below}/${name}`;
    const stat = await lstat(toPath(folder + inside));
    paths.push(...(stat.isDirectory() ? await pathsIn(folder, inside) : [bytesOf(inside)]));
  }
  return paths;
}

function bytesOf(text: string): string {
  const file = toPath(text);
  return (typeof file === "string" ? Buffer.from(file) : file).toString("latin1");
}

/** Pipes and sockets mean nothing in a copy. */
async function copyOne(
  from: string | Buffer,
  to: string | Buffer,
  stat: BigIntStats,
): Promise<void> {
  if (stat.isSymbolicLink()) await symlink(await readlink(from, { encoding: "buffer" }), to);
  else if (stat.isFile()) await copyFile(from, to);
  else return;
  await lchown(to, Number(stat.uid), Number(stat.gid));
  await lutimes(to, Number(stat.atimeNs) / 1e9, Number(stat.mtimeNs) / 1e9);
}
