import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { type ChildEnd, endChild, endOfChild } from "./end-child.ts";
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
/** So long after a program's end its output is waited for. */
const LAST_WORDS_MS = 1000;
const LOG_BYTES = 64 * 1024;

/**
 * Runs a program to its end. On cancellation or after the timeout it is asked to stop, and killed
 * when it does not. SOURCE_FAILED when it cannot be started or takes too long; an exit code other
 * than 0 is no error here.
 */
export async function exec(command: Command, options: ExecOptions, run: Run): Promise<ExecResult> {
  run.signal.throwIfAborted();
  if (options.logFile !== undefined)
    return await execLogged(command, options.logFile, options, run);
  const { timeoutMs, folder, input, outputBytesMax = OUTPUT_BYTES_MAX } = options;
  const child = start(command, {
    cwd: folder,
    env: environmentFor(options),
    // Nothing, and not a pipe without anything in it: some shells take that for somebody who sits far away.
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const tooMuch = (): void => endChild(child);
  const stdout = gather(child.stdout, outputBytesMax, tooMuch);
  const stderr = gather(child.stderr, outputBytesMax, tooMuch);
  const closed = new Promise((resolve) => child.once("close", resolve));
  // Whoever has ended does not read on: that is told by how it ended.
  child.stdin?.on("error", () => {}).end(input);
  const end = await untilEnd(child, timeoutMs, run);
  // A child that goes on in the background keeps the pipes open; that is no reason to wait for it.
  const last = setTimeout(() => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, LAST_WORDS_MS);
  if (end.notStarted === undefined) await closed;
  clearTimeout(last);
  run.signal.throwIfAborted();
  if (stdout.isTooMuch() || stderr.isTooMuch()) {
    throw notRun(command, `it prints more than ${outputBytesMax} bytes`);
  }
  const exitCode = exitCodeOf(command, end, options);
  const encoding = options.encoding ?? "utf8";
  return { exitCode, stdout: stdout.text(encoding), stderr: stderr.text(encoding) };
}

/** Those that run now: with us they end too, if not at once. */
const children = new Set<ChildProcess>();
atOurEnd(() => {
  for (const child of children) child.kill();
});

async function untilEnd(
  child: ChildProcess,
  timeoutMs: number,
  { signal }: Run,
): Promise<ChildEnd> {
  children.add(child);
  try {
    return await endOfChild(child, timeoutMs, signal);
  } finally {
    children.delete(child);
  }
}

function environmentFor({ isPlain, diesWithUs, env }: ExecOptions): NodeJS.ProcessEnv {
  const whole = isPlain === true ? plainEnvironment() : wholeEnvironment();
  return { ...whole, ...env, ...(diesWithUs === true ? childMark() : {}) };
}

function start(command: Command, options: SpawnOptions): ChildProcess {
  const [program, ...args] = command;
  try {
    return spawn(program, args, options);
  } catch (error) {
    const code = systemCode(error);
    // What Node says of an argument that it does not take has the argument in it.
    const isArgument = code?.startsWith("ERR_INVALID_ARG") === true;
    throw notRun(command, isArgument ? "an argument or a variable has a NUL in it" : String(code));
  }
}

type Gathered = { isTooMuch(): boolean; text(encoding: "utf8" | "latin1"): string };

function gather(from: Readable | null, bytesMax: number, tooMuch: () => void): Gathered {
  const parts: Buffer[] = [];
  let bytes = 0;
  from?.on("data", (part: Buffer) => {
    const wasTooMuch = bytes > bytesMax;
    bytes += part.length;
    if (bytes <= bytesMax) parts.push(part);
    else if (!wasTooMuch) tooMuch();
  });
  return {
    isTooMuch: () => bytes > bytesMax,
    text: (encoding) =>
      Buffer.concat(parts)
        .toString(encoding)
        .replace(/\r?\n$/, ""),
  };
}

/** SOURCE_FAILED where there is none, or it took too long. */
function exitCodeOf(command: Command, end: ChildEnd, { timeoutMs, folder }: ExecOptions): number {
  const { exitCode, signalCode, notStarted, isLate } = end;
  if (isLate) throw notRun(command, `it took longer than ${timeoutMs / 1000} s`);
  if (notStarted !== undefined) {
    const isAway = systemCode(notStarted) === "ENOENT" && folder !== undefined;
    if (isAway && !existsSync(folder)) throw notRun(command, `its folder ${folder} is not there`);
    throw notRun(command, notStarted.message);
  }
  if (exitCode === null) throw notRun(command, `it was ended by ${signalCode}`);
  return exitCode;
}

/** As `exec` with a log file. A program in its own right may stay behind: only its start counts. */
async function execLogged(
  command: Command,
  logFile: string,
  options: ExecOptions,
  run: Run,
): Promise<ExecResult> {
  mkdirSync(path.dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, "w", 0o600);
  let child: ChildProcess;
  try {
    child = start(command, { cwd: options.folder, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  const end = await endOfChild(child, options.timeoutMs, run.signal);
  run.signal.throwIfAborted();
  const exitCode = exitCodeOf(command, end, options);
  return { exitCode, stdout: endOfFile(logFile, LOG_BYTES), stderr: "" };
}

function notRun([program]: Command, problem: string): AppError {
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
