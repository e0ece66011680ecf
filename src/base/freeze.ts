import { spawn } from "node:child_process";
import { AppError } from "./errors.ts";
import { isAlive } from "./host.ts";

/**
 * Stops a process where it stands (SIGSTOP) until disposed. A helper process lets it go on at the
 * limit, whatever has become of us: a frozen application that nobody thaws is an outage.
 */
export function freeze(
  pid: number,
  limitMs: number,
): Disposable & { readonly isLate: () => boolean } {
  if (!isAlive(pid)) throw new AppError("NOT_FOUND", `freeze process ${pid}: there is none`);
  const seconds = String(limitMs / 1000);
  const script = 'sleep "$1"; kill -CONT "$2"';
  const helper = spawn("/bin/sh", ["-c", script, "sh", seconds, String(pid)], {
    detached: true,
    stdio: "ignore",
  });
  helper.unref();
  const startedMs = performance.now();
  process.kill(pid, "SIGSTOP");
  return {
    isLate: () => performance.now() - startedMs >= limitMs,
    [Symbol.dispose]() {
      if (isAlive(pid)) process.kill(pid, "SIGCONT");
      helper.kill();
    },
  };
}
