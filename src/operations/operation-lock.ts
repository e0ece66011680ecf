import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { translateDiskError } from "../base/disk-errors.ts";
import { AppError } from "../base/errors.ts";
import { isBusy, takeFileLock } from "../base/file-lock.ts";

/** Longer than `isUnderWay` holds a lock, so that who only looks keeps nobody from working. */
const WAIT_MS = 300;

/**
 * Keeps other operations away from these components until disposed. A SQLite transaction on the
 * local disk: the kernel ends it with the process, so that a crash leaves no lock. LOCKED.
 */
export function lockComponents(folder: string, components: readonly string[]): Disposable {
  using stack = new DisposableStack();
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw translateDiskError(error, `lock in ${folder}`);
  }
  // In one order for all, so that two operations cannot wait for each other.
  for (const component of components.toSorted()) {
    const lock = lockOf(folder, component);
    if (lock === undefined) {
      throw new AppError("LOCKED", `lock ${component}: another operation is under way on it`, {
        hint: "Wait until it has ended; lastgood status shows it.",
      });
    }
    stack.use(lock);
  }
  return stack.move();
}

function lockOf(folder: string, component: string): Disposable | undefined {
  try {
    return takeFileLock(path.join(folder, `${component}.lock`), WAIT_MS);
  } catch (error) {
    throw new AppError("UNAVAILABLE", `lock ${component}: ${(error as Error).message}`, {
      hint: `See who owns ${folder} and whether its disk is full or read-only.`,
      cause: error,
    });
  }
}

/** Whether another operation holds the lock of one of these components now. */
export function isUnderWay(folder: string, components: readonly string[]): boolean {
  return components.some((component) => {
    const file = path.join(folder, `${component}.lock`);
    if (!existsSync(file)) return false;
    try {
      // To read takes a shared lock: those who look do not see each other.
      using database = new DatabaseSync(file, { timeout: 0 });
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
      return false;
    } catch (error) {
      if (isBusy(error)) return true;
      throw error;
    }
  });
}
