import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { endChild } from "./end-child.ts";
import { AppError } from "./errors.ts";
import type { Run } from "./events.ts";
import type { Command } from "./exec.ts";
import { plainEnvironment } from "./host.ts";
import { childMark } from "./orphans.ts";

/** A program whose output is read, or whose input is written, while it runs. */
export type RunningProgram = {
  readonly output: Readable;
  readonly input: Writable;
  /** Ends it at once. */
  readonly kill: () => void;
  /** Whether we wait for it before we end. By default yes. */
  readonly holdUs: (isHeld: boolean) => void;
  /** Its end, and the last that it said on standard error. Never rejects once it was started. */
  readonly ended: Promise<{ readonly exitCode: number; readonly lastWords: string }>;
};

const WORDS_CHARACTERS_MAX = 4000;

/**
 * Starts a program between pipes. On cancellation it is asked to stop, and killed when it does not.
 * Its environment is plain: what it has to know is given. `recover` ends it once we are gone. SOURCE_FAILED when it cannot be started.
 */
export async function startProgram(
  [program, ...args]: Command,
  options: { readonly env?: Readonly<Record<string, string>> },
  { signal }: Run,
): Promise<RunningProgram> {
  signal.throwIfAborted();
  const env = { ...plainEnvironment(), ...options.env, ...childMark() };
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-WORDS_CHARACTERS_MAX);
  });
  // Whoever has ended does not read on: that is told by how it ended.
  child.stdin.on("error", () => {});
  // Somebody else's program, as of sudo, cannot be ended by us: that is an error too, and then it is waited for.
  child.on("error", (error) => (words ||= error.message));
  const { promise: ended, resolve } = Promise.withResolvers<Awaited<RunningProgram["ended"]>>();
  child.once("close", (code: number | null) => resolve({ exitCode: code ?? -1, lastWords: words }));
  const stop = (): void => endChild(child);
  signal.addEventListener("abort", stop, { once: true });
  void ended.finally(() => signal.removeEventListener("abort", stop));
  await once(child, "spawn").catch((error: unknown) => {
    throw new AppError("SOURCE_FAILED", `run ${program}: ${(error as Error).message}`, {
      hint: "Look whether the program is installed.",
      cause: error,
    });
  });
  const holdUs = (isHeld: boolean): void => {
    // Pipes to programs are sockets.
    for (const part of [child, child.stdin, child.stdout, child.stderr] as unknown as Socket[]) {
      if (isHeld) part.ref();
      else part.unref();
    }
  };
  return {
    output: child.stdout,
    input: child.stdin,
    holdUs,
    kill: () => void child.kill("SIGKILL"),
    ended,
  };
}
