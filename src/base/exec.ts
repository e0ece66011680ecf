import { type ChildProcess, execFile, type ExecFileException, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { endOfFile } from "./end-of-file.ts";
import { AppError, systemCode } from "./errors.ts";
import type { Run } from "./events.ts";
import { atOurEnd, plainEnvironment, wholeEnvironment } from "./host.ts";
import { childMark } from "./orphans.ts";

/** What a program is given: never through a shell. */
export type Command = readonly [program: string, ...args: string[]];

export type ExecOptions = {
  readonly timeoutMs: number;
  readonly folder?: string;
  readonly input?: string | Uint8Array;
  /** latin1 gives each byte of the output as one character. */
  readonly encoding?: "utf8" | "latin1";
  readonly outputBytesMax?: number;
  /**
   * Where all it prints goes instead of the result. For what leaves something running: that may
   * write for years, and would die of a pipe whose reader has gone.
   */
  readonly logFile?: string;
  /** Whether it must not go on once we are gone: `recover` ends it then. */
  readonly diesWithUs?: boolean;
  /** Without what only we should know, such as a password. */
  readonly isPlain?: boolean;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
};

export type ExecResult = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

const OUTPUT_BYTES_MAX = 1024 * 1024;
const KILL_AFTER_MS = 5000;
/** So long after a program's end its output is waited for. */
const LAST_WORDS_MS = 1000;
const LOG_BYTES = 64 * 1024;

/**
 * Runs a program to its end. On cancellation or after the timeout it is asked to stop, and killed
 * when it does not. SOURCE_FAILED when it cannot be started or takes too long; an exit code other
 * than 0 is no error here.
 */
export async function exec(command: Command, options: ExecOptions, run: Run): Promise<ExecResult> {
  const [program, ...args] = command;
  const { logFile } = options;
  const env = options.diesWithUs === true ? { ...options.env, ...childMark() } : options.env;
  if (logFile !== undefined) return await execLogged(command, logFile, options, run);
  run.signal.throwIfAborted();
  const whole = options.isPlain === true ? plainEnvironment() : wholeEnvironment();
  const ended = await untilEnd(program, args, options, { ...whole, ...env }, run);
  run.signal.throwIfAborted();
  if (ended.isLate) throw notRun(program, tooLong(options.timeoutMs));
  if (ended.error === null) return { exitCode: 0, ...ended.printed };
  if (typeof ended.error.code === "number") {
    return { exitCode: ended.error.code, ...ended.printed };
  }
  throw notRun(program, whyNot(ended, options));
}

type Ended = {
  readonly error: ExecFileException | null;
  readonly printed: Pick<ExecResult, "stdout" | "stderr">;
  readonly isLate: boolean;
};

/** Those that run now: with us they end too, if not at once. */
const children = new Set<ChildProcess>();
atOurEnd(() => {
  for (const child of children) child.kill();
});

async function untilEnd(
  program: string,
  args: readonly string[],
  { timeoutMs, folder, input, outputBytesMax = OUTPUT_BYTES_MAX, encoding = "utf8" }: ExecOptions,
  env: NodeJS.ProcessEnv,
  { signal }: Run,
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Omit<Ended, "isLate">>();
  const options = { cwd: folder, env, encoding, maxBuffer: outputBytesMax };
  let child: ChildProcess;
  try {
    child = execFile(program, args, options, (error, stdout, stderr) => {
      const printed = { stdout: withoutLineEnd(stdout), stderr: withoutLineEnd(stderr) };
      resolve({ error, printed });
    });
  } catch (error) {
    // As where all arguments together are too long.
    throw notRun(program, (error as Error).message);
  }
  children.add(child);
  using end = endOf(child, timeoutMs, signal);
  // Whoever has ended does not read on: that is told by how it ended.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  // A child that goes on in the background keeps the pipes open; that is no reason to wait for it.
  child.once("exit", () => {
    setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, LAST_WORDS_MS).unref();
  });
  const ended = await promise;
  children.delete(child);
  return { ...ended, isLate: end.isLate() };
}

const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, "");

function whyNot(
  { error }: Ended,
  { folder, outputBytesMax = OUTPUT_BYTES_MAX }: ExecOptions,
): string {
  if (error?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") {
    return `it prints more than ${outputBytesMax} bytes`;
  }
  if (error?.code === "ENOENT" && folder !== undefined && !existsSync(folder)) {
    return `its folder ${folder} is not there`;
  }
  return error?.signal == null ? (error?.message ?? "") : `it was ended by ${error.signal}`;
}

const tooLong = (timeoutMs: number): string => `it took longer than ${timeoutMs / 1000} s`;

/** Asks a program to stop when it is cancelled or takes too long, and kills it when it does not. */
function endOf(
  child: ChildProcess,
  timeoutMs: number,
  signal: AbortSignal,
): Disposable & { isLate(): boolean } {
  let isLate = false;
  const stop = (): void => {
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
  };
  const late = setTimeout(() => {
    isLate = true;
    stop();
  }, timeoutMs);
  signal.addEventListener("abort", stop, { once: true });
  return {
    isLate: () => isLate,
    [Symbol.dispose]() {
      clearTimeout(late);
      signal.removeEventListener("abort", stop);
    },
  };
}

/** As `exec` with a log file. A program in its own right may stay behind: only its start counts. */
async function execLogged(
  [program, ...args]: Command,
  logFile: string,
  { timeoutMs, folder }: ExecOptions,
  { signal }: Run,
): Promise<ExecResult> {
  mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, "w", 0o600);
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  using end = endOf(child, timeoutMs, signal);
  try {
    const [exitCode] = (await once(child, "exit")) as [number | null];
    signal.throwIfAborted();
    if (end.isLate()) throw notRun(program, tooLong(timeoutMs));
    if (exitCode === null) throw notRun(program, `it was ended by ${child.signalCode}`);
    return { exitCode, stdout: endOfFile(logFile, LOG_BYTES), stderr: "" };
  } catch (error) {
    if (error instanceof AppError || systemCode(error) === undefined) throw error;
    throw notRun(program, (error as Error).message);
  }
}

function notRun(program: string, problem: string): AppError {
  return new AppError("SOURCE_FAILED", `run ${program}: ${problem}`, {
    hint: "Look whether the program is installed and what it waits for.",
  });
}

/** As `exec`, but any exit code other than 0 is SOURCE_FAILED, with the program's last words. */
export async function execOk(command: Command, options: ExecOptions, run: Run): Promise<string> {
  const { exitCode, stdout, stderr } = await exec(command, options, run);
  if (exitCode === 0) return stdout;
  const lastWords = (stderr || stdout).trim().split("\n").at(-1) ?? "";
  throw new AppError("SOURCE_FAILED", `run ${command[0]}: exit code ${exitCode}: ${lastWords}`);
}
