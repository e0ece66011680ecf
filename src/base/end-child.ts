import type { ChildProcess } from "node:child_process";

const KILL_AFTER_MS = 5000;
/** More than Node's timers count to would be no time at all. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** Asks a program to stop, and kills it when it does not. */
export function endChild(child: ChildProcess): void {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
}

/** How a program ended: by an exit code, by a signal, or before it had begun. */
export type ChildEnd = {
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  readonly notStarted: Error | undefined;
  /** Whether it was asked to stop because it took too long. */
  readonly isLate: boolean;
};

/**
 * Ends a program that is cancelled or takes too long, and tells how it ended. Whatever it has left behind may
 * go on. Never rejects.
 */
export async function endOfChild(
  child: ChildProcess,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ChildEnd> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  let isLate = false;
  // Somebody else's program, as of sudo, cannot be ended by us: that is an error too, and then it is waited for.
  child.on("error", (error) => {
    if (child.pid === undefined) resolve(error);
  });
  child.once("exit", () => resolve(undefined));
  const stop = (): void => endChild(child);
  const tooLate = (): void => {
    isLate = true;
    stop();
  };
  // After what has happened meanwhile: it may have ended while we were busy.
  const late = setTimeout(() => setImmediate(tooLate), Math.min(timeoutMs, TIMEOUT_MS_MAX));
  signal.addEventListener("abort", stop, { once: true });
  const notStarted = await promise;
  clearTimeout(late);
  signal.removeEventListener("abort", stop);
  const { exitCode, signalCode } = child;
  return { exitCode, signalCode, notStarted, isLate };
}
