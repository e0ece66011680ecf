import { mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, systemCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, execOk } from "../base/exec.ts";

/** What is held is let go at the end of the block. */
export type Held = AsyncDisposable & {
  /** Where to read from instead of the live folder, when a copy was made. */
  readonly folder?: string;
};

/** Keeps an application from writing for as long as a copy takes. */
export type Hold = (run: Run) => Promise<Held>;

/** Nothing has to be held: the application copes, or does not write. */
export const noHold: Hold = async () => ({ [Symbol.asyncDispose]: async () => {} });

/** After this a lock file counts as left behind: the application may remove it. */
const LEASE_MS = 10 * 60_000;
const CALL_MS = 30_000;

/** So long somebody else's ingestion is waited for. */
const WAIT_MS = 60_000;
const POLL_MS = 10;

/** Holds a lock by being the one who makes the file; the application does the same. LOCKED. */
export function holdLockFile(file: string, now: () => Date): Hold {
  return async ({ signal }) => {
    await mkdir(path.dirname(file), { recursive: true });
    const deadlineMs = performance.now() + WAIT_MS;
    while (!(await make(file, now()))) {
      if (performance.now() > deadlineMs) throw await taken(file, now());
      await sleep(POLL_MS, undefined, { signal });
    }
    return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
  };
}

/** False when somebody else holds it. */
async function make(file: string, now: Date): Promise<boolean> {
  const until = new Date(now.getTime() + LEASE_MS).toISOString();
  try {
    await using handle = await open(file, "wx", 0o644);
    await handle.writeFile(JSON.stringify({ holder: "lastgood", until }));
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function taken(file: string, now: Date): Promise<AppError> {
  const text = await readFile(file, "utf8").catch(() => "");
  const until = /"until":"([^"]+)"/.exec(text)?.[1];
  const isOver = until !== undefined && Date.parse(until) < now.getTime();
  return new AppError("LOCKED", `hold ${file}: somebody else holds it`, {
    hint: isOver
      ? `Its lease ended at ${until}: remove the file and try again.`
      : "Try again when the ingestion has ended.",
  });
}

/** Holds a lock by two commands: one takes it, the other gives it back. */
export function holdByCommand(acquire: Command, release: Command, folder: string): Hold {
  return async (run) => {
    await execOk(acquire, { timeoutMs: CALL_MS, folder }, run);
    return {
      async [Symbol.asyncDispose]() {
        // Giving back does not listen to cancellation.
        const toTheEnd: Run = { ...run, signal: new AbortController().signal };
        await execOk(release, { timeoutMs: CALL_MS, folder }, toTheEnd);
      },
    };
  };
}

/** Holds a lock of the application by two HTTP calls. */
export function holdByHttp(acquire: string, release: string): Hold {
  return async (run) => {
    await call(acquire, run.signal);
    return { [Symbol.asyncDispose]: () => call(release, new AbortController().signal) };
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
