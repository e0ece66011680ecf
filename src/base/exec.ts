import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { endOfFile } from "./end-of-file.ts";
import { AppError, systemCode } from "./errors.ts";
import type { Run } from "./events.ts";
import { plainEnvironment } from "./host.ts";
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
  const { timeoutMs, folder, input, logFile } = options;
  const env = options.diesWithUs === true ? { ...options.env, ...childMark() } : options.env;
  if (logFile !== undefined) return await execLogged(command, logFile, options, run);
  // Loaded by the first who runs something: it takes longer than many a command that runs nothing.
  const { execa } = await import("execa");
  const child = execa(program, args, {
    cancelSignal: run.signal,
    forceKillAfterDelay: KILL_AFTER_MS,
    timeout: timeoutMs,
    reject: false,
    stripFinalNewline: true,
    maxBuffer: options.outputBytesMax ?? OUTPUT_BYTES_MAX,
    encoding: options.encoding ?? "utf8",
    ...(folder === undefined ? {} : { cwd: folder }),
    ...(options.isPlain === true
      ? { extendEnv: false, env: { ...plainEnvironment(), ...env } }
      : env === undefined
        ? {}
        : { env }),
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
  });
  // A child that goes on in the background keeps the pipes open; that is no reason to wait for it.
  const { nodeChildProcess } = child;
  nodeChildProcess.once("exit", () => {
    setTimeout(() => {
      nodeChildProcess.stdout?.destroy();
      nodeChildProcess.stderr?.destroy();
    }, LAST_WORDS_MS).unref();
  });
  const result = await child;
  run.signal.throwIfAborted();
  if (result.exitCode !== undefined) {
    return { exitCode: result.exitCode, stdout: result.stdout ?? "", stderr: result.stderr ?? "" };
  }
  const problem = result.timedOut
    ? `it took longer than ${timeoutMs / 1000} s`
    : (result.originalMessage ?? result.shortMessage ?? "");
  throw notRun(program, problem);
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
  const ended = once(child, "exit") as Promise<[number | null]>;
  const tooLong = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const stop = (): void => {
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
  };
  tooLong.addEventListener("abort", stop);
  try {
    const [exitCode] = await ended;
    signal.throwIfAborted();
    if (exitCode === null) throw notRun(program, `it took longer than ${timeoutMs / 1000} s`);
    return { exitCode, stdout: endOfFile(logFile, LOG_BYTES), stderr: "" };
  } catch (error) {
    if (error instanceof AppError || systemCode(error) === undefined) throw error;
    throw notRun(program, (error as Error).message);
  } finally {
    tooLong.removeEventListener("abort", stop);
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
