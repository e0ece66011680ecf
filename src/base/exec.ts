import { execa } from "execa";
import { AppError } from "./errors.ts";
import type { Run } from "./events.ts";

/** What a program is given: never through a shell. */
export type Command = readonly [program: string, ...args: string[]];

export type ExecOptions = {
  readonly timeoutMs: number;
  readonly folder?: string;
  readonly input?: string;
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

/**
 * Runs a program to its end. On cancellation or after the timeout it is asked to stop, and killed
 * when it does not. SOURCE_FAILED when it cannot be started or takes too long; an exit code other
 * than 0 is no error here.
 */
export async function exec(command: Command, options: ExecOptions, run: Run): Promise<ExecResult> {
  const [program, ...args] = command;
  const { timeoutMs, folder, input, env } = options;
  const result = await execa(program, args, {
    cancelSignal: run.signal,
    forceKillAfterDelay: KILL_AFTER_MS,
    timeout: timeoutMs,
    reject: false,
    stripFinalNewline: true,
    maxBuffer: OUTPUT_BYTES_MAX,
    ...(folder === undefined ? {} : { cwd: folder }),
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
  });
  run.signal.throwIfAborted();
  if (result.exitCode !== undefined) {
    return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  }
  const problem = result.timedOut
    ? `it took longer than ${timeoutMs / 1000} s`
    : (result.originalMessage ?? result.shortMessage);
  throw new AppError("SOURCE_FAILED", `run ${program}: ${problem}`, {
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
