import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "./errors.ts";
import { isAlive } from "./host.ts";

/** What is frozen goes on when it is disposed. */
export type Frozen = AsyncDisposable & {
  /** Whether the limit has passed: then it may have gone on already. */
  readonly isLate: () => boolean;
};

/**
 * Stops a process where it stands (SIGSTOP) until disposed. A helper process lets it go on at the
 * limit, whatever has become of us: a frozen application that nobody thaws is an outage.
 */
export async function freeze(pid: number, limitMs: number): Promise<Frozen> {
  if (!isAlive(pid)) throw new AppError("NOT_FOUND", `freeze process ${pid}: there is none`);
  const seconds = String(limitMs / 1000);
  const script = 'sleep "$1"; kill -CONT "$2"';
  const helper = spawn("/bin/sh", ["-c", script, "sh", seconds, String(pid)], {
    detached: true,
    stdio: "ignore",
  });
  helper.unref();
  const startedMs = performance.now();
  const isLate = (): boolean => performance.now() - startedMs >= limitMs;
  const thaw = (): void => {
    if (isAlive(pid)) process.kill(pid, "SIGCONT");
    helper.kill();
  };
  process.kill(pid, "SIGSTOP");
  // The signal only asks: each thread stops when it comes by, and until then it writes.
  while (!threadStates(pid).every((state) => state === "T" || state === "Z")) {
    if (isLate()) {
      thaw();
      throw new AppError("LOCKED", `freeze process ${pid}: it did not stop within ${limitMs} ms`);
    }
    await sleep(1);
  }
  return { isLate, [Symbol.asyncDispose]: async () => thaw() };
}

/** The state of each thread, as the kernel has it; "T" is stopped. */
function threadStates(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((task) => {
    const stat = readFileSync(`${tasks}/${task}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2);
  });
}
