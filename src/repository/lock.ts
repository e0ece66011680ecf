import { setTimeout as sleep } from "node:timers/promises";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { surviveSighup } from "../base/host.ts";
import type { Core } from "./core.ts";
import { formatTime } from "./format/go-time.ts";

/** Many may share a repository to add or read; removing needs it alone. */
export type LockKind = "shared" | "exclusive";

/**
 * Remembers outside of the repository which locks are ours, so that one that a crash left behind
 * can be told from another machine's. Host names and process ids cannot: containers share both.
 */
export type LockLedger = {
  /** Written before the lock itself. */
  remember(id: string): Promise<void>;
  forget(id: string): Promise<void>;
  /** Locks of ours whose process is gone. */
  abandoned(): Promise<string[]>;
};

export const noLedger = (): LockLedger => ({
  remember: async () => {},
  forget: async () => {},
  abandoned: async () => [],
});

/** A lock that is held. `run` is cancelled when the lock is lost. */
export type Lock = AsyncDisposable & {
  readonly run: Run;
  /** LOCKED when somebody has removed the lock: what was added may have been pruned since. */
  confirm(): Promise<void>;
};

type LockFile = {
  readonly time: string;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
};

/**
 * restic's times: when to look again, when to refresh, and when nobody may rely on a lock. Only the
 * exclusive one waits before it looks again: both write first and look afterwards, so one of two
 * always sees the other, and the one that could remove what the other needs gives it the time.
 */
const SETTLE_MS = 200;
const REFRESH_MS = 5 * 60_000;
const LOST_MS = 22.5 * 60_000;
const CHECK_MS = 60_000;

/** Locks the repository as restic does. LOCKED when another holds a lock that conflicts. */
export async function acquireLock(core: Core, kind: LockKind, run: Run): Promise<Lock> {
  const sighup = surviveSighup();
  try {
    await removeAbandoned(core, run);
    await refuseConflicts(core, kind, [], run);
    const id = await writeLock(core, kind, run);
    try {
      if (kind === "exclusive") await sleep(SETTLE_MS, undefined, { signal: run.signal });
      await refuseConflicts(core, kind, [id], run);
    } catch (error) {
      await removeLock(core, id);
      throw error;
    }
    return hold(core, kind, id, sighup, run);
  } catch (error) {
    sighup[Symbol.dispose]();
    throw error;
  }
}

/**
 * For reading: where no lock can be written, since the disk is full or read-only, it goes without.
 * A restore must not fail for want of a few bytes.
 */
export async function acquireReadLock(core: Core, kind: LockKind, run: Run): Promise<Lock> {
  try {
    return await acquireLock(core, kind, run);
  } catch (error) {
    if (!hasCode(error, "REFUSED") && !hasCode(error, "NO_SPACE")) throw error;
    const message = `reading ${core.backend.label} without a lock: ${(error as Error).message}`;
    run.report({ type: "warning", message });
    return { run, confirm: async () => {}, [Symbol.asyncDispose]: async () => {} };
  }
}

function hold(core: Core, kind: LockKind, first: string, sighup: Disposable, run: Run): Lock {
  const lost = new AbortController();
  let id = first;
  let refreshedMs = core.clock.now().getTime();
  let refreshing: Promise<void> = Promise.resolve();

  const confirm = async (): Promise<void> => {
    const held = id;
    if ((await core.files.ids("locks", run)).includes(held) || held !== id) return;
    throw new AppError("LOCKED", `keep lock of ${core.backend.label}: somebody removed it`, {
      hint: "What was added may have been pruned meanwhile, so that nothing was completed. Try again.",
    });
  };

  const refresh = async (): Promise<void> => {
    const ageMs = core.clock.now().getTime() - refreshedMs;
    if (ageMs > LOST_MS) lost.abort(new AppError("LOCKED", "keep lock: it could not be refreshed"));
    if (ageMs < REFRESH_MS || lost.signal.aborted) return;
    await confirm().catch((error: unknown) => {
      if (hasCode(error, "LOCKED")) lost.abort(error);
      throw error;
    });
    const next = await writeLock(core, kind, run);
    await removeLock(core, id);
    id = next;
    refreshedMs = core.clock.now().getTime();
  };
  // A failed refresh is tried again at the next look, until the lock counts as lost.
  const timer = setInterval(() => {
    refreshing = refresh().catch(() => {});
  }, CHECK_MS);
  timer.unref();

  return {
    run: { ...run, signal: AbortSignal.any([run.signal, lost.signal]) },
    confirm,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await refreshing;
      await removeLock(core, id);
      sighup[Symbol.dispose]();
    },
  };
}

async function writeLock(core: Core, kind: LockKind, run: Run): Promise<string> {
  const { hostname, username, pid, uid, gid } = core.host;
  const lock: LockFile = {
    time: formatTime(BigInt(core.clock.now().getTime()) * 1_000_000n),
    exclusive: kind === "exclusive",
    hostname,
    username,
    pid,
    uid: uid || undefined,
    gid: gid || undefined,
  };
  let remembered: string | undefined;
  try {
    return await core.files.save("locks", JSON.stringify(lock), run, async (id) => {
      remembered = id;
      await core.ledger.remember(id);
    });
  } catch (error) {
    if (remembered !== undefined) await core.ledger.forget(remembered);
    throw error;
  }
}

/** Removing does not listen to cancellation: a lock that is left blocks the next one. */
async function removeLock(core: Core, id: string): Promise<void> {
  await core.files.remove("locks", id, { signal: new AbortController().signal, report: () => {} });
  await core.ledger.forget(id);
}

async function removeAbandoned(core: Core, run: Run): Promise<void> {
  const abandoned = await core.ledger.abandoned();
  if (abandoned.length === 0) return;
  for (const id of abandoned) await removeLock(core, id);
  run.report({ type: "warning", message: "removed a lock that a crashed run of ours had left" });
}

async function refuseConflicts(
  core: Core,
  kind: LockKind,
  own: readonly string[],
  run: Run,
): Promise<void> {
  for (const id of await core.files.ids("locks", run)) {
    if (own.includes(id)) continue;
    const other = await loadLock(core, id, kind, run);
    if (other === undefined || (kind === "shared" && !other.exclusive)) continue;
    const { hostname, username, pid, time } = other;
    throw new AppError(
      "LOCKED",
      `lock ${core.backend.label}: ${username}@${hostname} (process ${pid}) holds it since ${time}`,
      {
        hint:
          "Wait until that run has ended. If its process is gone for good, remove its lock: " +
          `restic -r ${core.backend.label} unlock`,
      },
    );
  }
}

/** Undefined for one that is gone by now, or empty because a writer died or is about to write. */
async function loadLock(
  core: Core,
  id: string,
  kind: LockKind,
  run: Run,
): Promise<LockFile | undefined> {
  try {
    return (await core.files.load("locks", id, run)) as LockFile;
  } catch (error) {
    if (hasCode(error, "NOT_FOUND")) return undefined;
    if (!hasCode(error, "CORRUPT")) throw error;
    for await (const info of core.backend.list(`locks/${id}`, run)) {
      if (info.sizeBytes === 0) return undefined;
    }
    const problem = `lock ${core.backend.label}: the lock ${id.slice(0, 8)} is damaged`;
    const hint = `If nobody works on it, remove the lock: restic -r ${core.backend.label} unlock`;
    // Nobody can know whose it was. Adding and reading harm nobody; removing could.
    if (kind === "exclusive") throw new AppError("LOCKED", problem, { cause: error, hint });
    run.report({ type: "warning", message: problem });
    return undefined;
  }
}
