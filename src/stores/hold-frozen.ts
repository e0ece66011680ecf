import { cp, lchown, lstat, mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { AppError, systemCode } from "../base/errors.ts";
import { freeze } from "../base/freeze.ts";
import type { Run } from "../base/events.ts";
import { NOT_CONTENT } from "../slots/place.ts";
import type { Hold } from "./hold.ts";

/**
 * Copies the folder while the application runs, then freezes it just to copy again what changed
 * meanwhile. LOCKED when that takes longer than the limit: then the copy may be of two moments.
 */
export function holdFrozen(options: {
  readonly folder: string;
  readonly pidFile: string;
  readonly limitMs: number;
  readonly temporary: string;
}): Hold {
  const { folder, pidFile, limitMs, temporary } = options;
  return async (run) => {
    const copy = path.join(temporary, "frozen");
    await rm(copy, { recursive: true, force: true });
    await mkdir(copy, { recursive: true, mode: 0o700 });
    const seen: Seen = new Map();
    try {
      await copyChanged(folder, copy, seen, run);
      using frozen = await freeze(await readPid(pidFile), limitMs);
      await copyChanged(folder, copy, seen, run);
      if (frozen.isLate()) throw tooSlow(folder, limitMs);
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      throw error;
    }
    return {
      folder: copy,
      [Symbol.asyncDispose]: () => rm(copy, { recursive: true, force: true }),
    };
  };
}

function tooSlow(folder: string, limitMs: number): AppError {
  return new AppError("LOCKED", `copy ${folder}: more than ${limitMs} ms for what had changed`, {
    hint: "Raise freeze-limit, or use hold: { stop: true } for this store.",
  });
}

async function readPid(file: string): Promise<number> {
  const pid = Number((await readFile(file, "utf8")).trim());
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
async function copyChanged(from: string, to: string, seen: Seen, run: Run): Promise<void> {
  run.signal.throwIfAborted();
  const [there, here] = await Promise.all([readdir(from), readdir(to)]);
  const wanted = there.filter((name) => !NOT_CONTENT.has(name));
  for (const name of here.filter((old) => !wanted.includes(old))) {
    await rm(path.join(to, name), { recursive: true });
  }
  for (const name of wanted) {
    await copyEntry(path.join(from, name), path.join(to, name), seen, run);
  }
}

async function copyEntry(from: string, to: string, seen: Seen, run: Run): Promise<void> {
  try {
    const stat = await lstat(from, { bigint: true });
    if (stat.isDirectory()) {
      await mkdir(to, { recursive: true, mode: Number(stat.mode) & 0o777 });
      await lchown(to, Number(stat.uid), Number(stat.gid));
      return await copyChanged(from, to, seen, run);
    }
    const { ino, size, mtimeNs, ctimeNs } = stat;
    const identity = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    const before = seen.get(from);
    if (before?.identity === identity && before.isSettled) return;
    const nowMs = performance.timeOrigin + performance.now();
    seen.set(from, { identity, isSettled: nowMs - Number(ctimeNs) / 1e6 > SETTLED_MS });
    await rm(to, { force: true });
    await cp(from, to, { preserveTimestamps: true, verbatimSymlinks: true });
    await lchown(to, Number(stat.uid), Number(stat.gid));
  } catch (error) {
    // Gone since it was listed. If that was while it ran, the next look sees the folder as it is.
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
