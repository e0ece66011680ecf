import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Takes a file for oneself until disposed; undefined when somebody has it. A SQLite transaction on the local
 * disk: the kernel ends it with the process, so that a crash leaves no lock.
 */
export function takeFileLock(file: string, waitMs: number): Disposable | undefined {
  using stack = new DisposableStack();
  try {
    const database = stack.use(new DatabaseSync(file, { timeout: waitMs }));
    // Nothing is ever written: a full disk must not keep anybody from what makes room.
    const nothing = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY";
    database.exec(`${nothing}; BEGIN EXCLUSIVE`);
    return stack.move();
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/** SQLITE_BUSY. */
export function isBusy(error: unknown): boolean {
  return (((error as { errcode?: number }).errcode ?? 0) & 0xff) === 5;
}

const POLL_MS = 10;

/** The same, waiting for whoever has it, also in this process; undefined when that takes too long. */
export async function waitForFileLock(
  file: string,
  waitMs: number,
): Promise<Disposable | undefined> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const lock = takeFileLock(file, 0);
    if (lock !== undefined || performance.now() > deadline) return lock;
    await sleep(POLL_MS);
  }
}
