import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "../base/errors.ts";

/**
 * Keeps other operations away from these components until disposed. A SQLite transaction on the
 * local disk: the kernel ends it with the process, so that a crash leaves no lock. LOCKED.
 */
export function lockComponents(folder: string, components: readonly string[]): Disposable {
  using stack = new DisposableStack();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // In one order for all, so that two operations cannot wait for each other.
  for (const component of components.toSorted()) {
    const database = stack.use(new DatabaseSync(path.join(folder, `${component}.lock`)));
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (error) {
      throw new AppError("LOCKED", `lock ${component}: another operation is under way on it`, {
        hint: "Wait until it has ended; lastgood status shows it.",
        cause: error,
      });
    }
  }
  return stack.move();
}
