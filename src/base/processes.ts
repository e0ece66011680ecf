import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Command } from "./exec.ts";
import { AppError } from "./errors.ts";
import { isSameProcess, plainEnvironment } from "./host.ts";

/** By this a process and all that it starts can be found, also after a crash of ours. */
export const MARK = "LASTGOOD_PROCESS";

/**
 * Starts a program in a session of its own, which outlives us. What it prints is added to the log.
 * It carries the mark in its environment from its first moment, so that none is ever lost.
 * SOURCE_FAILED when there is no such program.
 */
export async function startMarked(
  [program, ...args]: Command,
  mark: string,
  options: { folder: string; logFile: string; env: Readonly<Record<string, string>> },
): Promise<number> {
  mkdirSync(path.dirname(options.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(options.logFile, "a", 0o600);
  try {
    const child = spawn(program, args, {
      cwd: options.folder,
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...plainEnvironment(), ...options.env, [MARK]: mark },
    });
    await once(child, "spawn");
    child.unref();
    return child.pid!;
  } catch (error) {
    throw new AppError("SOURCE_FAILED", `run ${program}: ${(error as Error).message}`, {
      hint: "Look whether the program is there and may be executed.",
      cause: error,
    });
  } finally {
    closeSync(log);
  }
}

/**
 * The processes that carry the mark; zombies are none. Some programs, such as Redis, write their title
 * over their environment: those are known by their output, which goes into the log.
 */
export function findMarked(mark: string, logFile: string): number[] {
  const wanted = `${MARK}=${mark}`;
  const carries = (pid: string): boolean =>
    environmentOf(pid).split("\0").includes(wanted) ||
    [1, 2].some((output) => leadsTo(`/proc/${pid}/fd/${output}`, logFile));
  return (
    readdirSync("/proc")
      // A component may have started us: to end ourselves would leave it half stopped.
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter(carries)
      .filter((pid) => !isZombie(pid))
      .map(Number)
  );
}

const READS = 5;

/** While a process changes its program its environment is empty for a moment. */
export function environmentOf(pid: string): string {
  for (let read = 1; ; read++) {
    const environment = readOf(`/proc/${pid}/environ`);
    if (environment !== "" || read === READS || !hasProgram(pid)) return environment;
  }
}

function leadsTo(link: string, file: string): boolean {
  try {
    return readlinkSync(link) === file;
  } catch {
    // It has ended, or is none of ours to look at.
    return false;
  }
}

/** Threads of the kernel have none. */
function hasProgram(pid: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== "";
  } catch {
    // It has ended, or is none of ours to look at.
    return false;
  }
}

/** Whether it was started by `startMarked` itself and not by such a one. */
export function isSessionLeader(pid: number): boolean {
  return sessionOf(pid) === pid;
}

/** The session that a process belongs to; 0 when it is gone. */
export function sessionOf(pid: number): number {
  return Number(fieldsOf(pid)[3] ?? 0);
}

/** 0 when it has none, or is gone. */
export function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1] ?? 0);
}

/** Of /proc/PID/stat, behind the program's name: state, parent, group, session, … */
function fieldsOf(pid: number): string[] {
  const stat = readOf(`/proc/${pid}/stat`);
  return stat === "" ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Whether the process that began then is there still; a zombie is not. */
export function isRunning(pid: number, start: string): boolean {
  return isSameProcess(pid, start) && !isZombie(String(pid));
}

/** Whether it has ended and only nobody has asked how. */
export function isZombie(pid: string): boolean {
  return /^\d+ \(.*\) [ZX]/s.test(readOf(`/proc/${pid}/stat`));
}

function readOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    // It has ended, or is none of ours to look at.
    return "";
  }
}

/** Sends a signal to processes; it is no error when one has ended. */
export function signalAll(pids: readonly number[], signal: "SIGTERM" | "SIGKILL"): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
