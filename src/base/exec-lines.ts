import { spawn } from "node:child_process";
import { once } from "node:events";
import { AppError } from "./errors.ts";
import type { Run } from "./events.ts";
import type { Command } from "./exec.ts";
import { wholeEnvironment } from "./host.ts";

/** How a program ended; undefined: by a signal. */
export type Ended = { readonly exitCode: number | undefined; readonly lastWords: string };

/** What prints longer lines than this is none that is meant for us. */
const LINE_CHARACTERS_MAX = 64 * 1024 * 1024;
const WORDS_CHARACTERS_MAX = 4000;

/**
 * Runs a program that ends by itself when it is asked to, and hears each line that it prints. On
 * cancellation it is asked once, and then waited for: it may have something to take back. It has a
 * session of its own, so that nobody else's signal to us reaches it, and goes on when we are gone.
 * SOURCE_FAILED when it cannot be started.
 */
export async function execLines(
  [program, ...args]: Command,
  options: { readonly folder: string; readonly env: Readonly<Record<string, string>> },
  onLine: (line: string) => void,
  { signal }: Run,
): Promise<Ended> {
  signal.throwIfAborted();
  const child = spawn(program, args, {
    cwd: options.folder,
    env: { ...wholeEnvironment(), ...options.env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-WORDS_CHARACTERS_MAX);
  });
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_CHARACTERS_MAX) rest = "";
    for (const line of lines) onLine(line);
  });
  const ask = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", ask, { once: true });
  try {
    const [exitCode] = (await once(child, "close")) as [number | null];
    if (rest !== "") onLine(rest);
    return { exitCode: exitCode ?? undefined, lastWords: words };
  } catch (error) {
    throw new AppError("SOURCE_FAILED", `run ${program}: ${(error as Error).message}`, {
      hint: "Look whether the program is installed.",
      cause: error,
    });
  } finally {
    signal.removeEventListener("abort", ask);
  }
}
