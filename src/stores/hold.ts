import { randomUUID } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, systemCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, execOk } from "../base/exec.ts";
import { writeFileDurable } from "../base/fs.ts";

/** What is held is let go at the end of the block. */
export type Held = AsyncDisposable & {
  /** Where to read from instead of the live folder, when a copy was made. */
  readonly folder?: string;
};

/** Keeps an application from writing for as long as a copy takes. */
export type Hold = {
  acquire(run: Run): Promise<Held>;
  /** Lets go what a process that was lost still holds. Can be repeated; does no harm without. */
  release(run: Run): Promise<void>;
  /** Whether a process that is lost leaves something held: then the journal has to know. */
  readonly outlives: boolean;
};

/** Nothing has to be held: the application copes, or does not write. */
export const noHold: Hold = {
  acquire: async () => ({ [Symbol.asyncDispose]: async () => {} }),
  release: async () => {},
  outlives: false,
};

/** After this a lock file counts as left behind: the application may remove it. */
const LEASE_MS = 10 * 60_000;
const RENEW_MS = LEASE_MS / 3;
const CALL_MS = 30_000;

/** So long somebody else's ingestion is waited for. */
const WAIT_MS = 60_000;
const POLL_MS = 10;

const HOLDER = "lastgood";
type LockText = { readonly holder: string; readonly token: string; readonly until: string };

/** Holds a lock by being the one who makes the file; the application does the same. LOCKED. */
export function holdLockFile(file: string, now: () => Date): Hold {
  return {
    outlives: true,
    async acquire({ signal }) {
      await mkdir(path.dirname(file), { recursive: true });
      const token = randomUUID();
      const deadlineMs = performance.now() + WAIT_MS;
      while (!(await make(file, textOf(token, now())))) {
        if (performance.now() > deadlineMs) throw await taken(file, now());
        await sleep(POLL_MS, undefined, { signal });
      }
      const timer = setInterval(() => {
        // Whether it worked shows at the end, when the lock is looked at again.
        void renew(file, token, now()).catch(() => {});
      }, RENEW_MS);
      timer.unref();
      return {
        async [Symbol.asyncDispose]() {
          clearInterval(timer);
          await letGo(file, token);
        },
      };
    },
    async release() {
      if ((await readLock(file))?.holder === HOLDER) await rm(file, { force: true });
    },
  };
}

function textOf(token: string, now: Date): string {
  const until = new Date(now.getTime() + LEASE_MS).toISOString();
  return JSON.stringify({ holder: HOLDER, token, until } satisfies LockText);
}

/** False when somebody else holds it. It comes with its text: an empty one would be nobody's. */
async function make(file: string, text: string): Promise<boolean> {
  try {
    await writeFileDurable(file, Buffer.from(text), "refuse", 0o644);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function renew(file: string, token: string, now: Date): Promise<void> {
  if ((await readLock(file))?.token === token) await writeFile(file, textOf(token, now));
}

/** What another has put there meanwhile is not ours to remove, and the copy is worth nothing. */
async function letGo(file: string, token: string): Promise<void> {
  if ((await readLock(file))?.token === token) return await rm(file, { force: true });
  throw new AppError("LOCKED", `hold ${file}: somebody took it away during the copy`, {
    hint: "See whether the application breaks locks that are younger than their lease.",
  });
}

async function readLock(file: string): Promise<LockText | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as LockText;
  } catch {
    // Gone, or of another's making.
    return undefined;
  }
}

async function taken(file: string, now: Date): Promise<AppError> {
  const { holder, until } = (await readLock(file)) ?? {};
  const isOver = until !== undefined && Date.parse(until) < now.getTime();
  return new AppError("LOCKED", `hold ${file}: ${holder ?? "somebody else"} holds it`, {
    hint: isOver
      ? `Its lease ended at ${until}: remove the file and try again.`
      : "Try again when the ingestion has ended.",
  });
}

/** Holds a lock by two commands: one takes it, the other gives it back. */
export function holdByCommand(acquire: Command, release: Command, folder: string): Hold {
  const giveBack = async (run: Run): Promise<void> => {
    // Giving back does not listen to cancellation.
    const toTheEnd: Run = { ...run, signal: new AbortController().signal };
    await execOk(release, { timeoutMs: CALL_MS, folder }, toTheEnd);
  };
  return {
    outlives: true,
    async acquire(run) {
      await execOk(acquire, { timeoutMs: CALL_MS, folder }, run);
      return { [Symbol.asyncDispose]: () => giveBack(run) };
    },
    release: giveBack,
  };
}

/** Holds a lock of the application by two HTTP calls. */
export function holdByHttp(acquire: string, release: string): Hold {
  const giveBack = (): Promise<void> => call(release, new AbortController().signal);
  return {
    outlives: true,
    async acquire(run) {
      await call(acquire, run.signal);
      return { [Symbol.asyncDispose]: giveBack };
    },
    release: giveBack,
  };
}

async function call(url: string, signal: AbortSignal): Promise<void> {
  const refused = (problem: string, cause?: unknown): AppError =>
    new AppError("LOCKED", `call ${url}: ${problem}`, {
      cause,
      hint: "See whether the application runs and lets go of its lock.",
    });
  const response = await fetch(url, {
    method: "POST",
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]),
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw refused((error as Error).message, error);
  });
  if (!response.ok) throw refused(`status ${response.status}`);
}
