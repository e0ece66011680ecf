import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import { endOfFile } from "../base/end-of-file.ts";
import type { Command } from "../base/exec.ts";
import { processStart } from "../base/host.ts";
import {
  findMarked,
  isRunning,
  isSessionLeader,
  signalAll,
  startMarked,
} from "../base/processes.ts";
import { lastWords } from "./last-words.ts";
import type { Runner } from "./runner.ts";
import { waitUntil } from "./wait-until.ts";

export type ProcessRunnerConfig = {
  readonly program: Command;
  readonly folder: string;
  /** Added to a plain environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Where all that it prints is added. */
  readonly logFile: string;
  /** Tells its processes from those of any other component on this machine. */
  readonly mark: string;
  readonly stopTimeoutMs: number;
};

/** By what the processes of a component are known, and where their log is. */
export function processNames(
  component: string,
  state: string,
): Pick<ProcessRunnerConfig, "mark" | "logFile"> {
  return {
    mark: `${component}@${state}`,
    logFile: path.join(state, "logs", `${component}.log`),
  };
}

const KILLED_WITHIN_MS = 5000;
/** Who is alive after this has at least found its libraries and its configuration. */
const SETTLED_MS = 300;
/** A log beyond this is put aside at the next start, for the one that was before it. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const LAST_BYTES = 4096;

/**
 * A component that lastgood starts itself. Its processes are found by a mark in their environment,
 * which those that they start inherit: there is no file that could be lost or wrong.
 */
export function processRunner(component: string, config: ProcessRunnerConfig): Runner {
  const { program, folder, env, logFile, mark, stopTimeoutMs } = config;
  const stoppingFile = `${logFile}.stopping`;
  const find = (): number[] => findMarked(mark, logFile);
  const isGone = async (): Promise<boolean> => find().length === 0;
  // Undefined until it is started here: what others printed before says nothing of its end.
  let printsFrom: number | undefined;
  const said = (): string =>
    printsFrom === undefined || !existsSync(logFile)
      ? ""
      : lastWords(endOfFile(logFile, LAST_BYTES, printsFrom));
  const runner: Runner = {
    log: logFile,
    isAlive: async () => find().length > 0,
    async identity() {
      // What it starts in turn may come and go.
      return find()
        .filter(isSessionLeader)
        .map((pid) => `${pid}:${processStart(pid)}`)
        .join(" ");
    },
    async stop(run) {
      if (await isGone()) return;
      mkdirSync(path.dirname(stoppingFile), { recursive: true, mode: 0o700 });
      writeFileSync(stoppingFile, "");
      using _told = { [Symbol.dispose]: () => rmSync(stoppingFile, { force: true }) };
      const asked = find().map((pid) => ({ pid, start: processStart(pid) }));
      // One that is ending has no environment any more, and its files open still.
      const isOver = async (): Promise<boolean> =>
        (await isGone()) && !asked.some(({ pid, start }) => isRunning(pid, start));
      signalAll(find(), "SIGTERM");
      if (await waitUntil(isOver, stopTimeoutMs, run)) return;
      const message = `${component} does not stop after ${stopTimeoutMs} ms: it is killed`;
      run.report({ type: "warning", message });
      signalAll(find(), "SIGKILL");
      if (await waitUntil(isOver, KILLED_WITHIN_MS, run)) return;
      throw new AppError("UNHEALTHY", `stop ${component}: it still runs`, {
        hint: `Its processes: ${find().join(", ")}`,
      });
    },
    async start(run) {
      // Whoever was told to end before a crash still looks alive.
      if (existsSync(stoppingFile)) await runner.stop(run);
      if (!(await isGone())) return;
      printsFrom = rotated(logFile);
      const pid = await startMarked(program, mark, { folder, logFile, env });
      const start = processStart(pid);
      // Its first program may have gone over into another, or have left it to one that it started.
      const hasEnded = async (): Promise<boolean> =>
        processStart(pid) !== start && (await isGone());
      if (!(await waitUntil(hasEnded, SETTLED_MS, run))) return;
      throw new AppError("UNHEALTHY", `start ${component}: it ended at once${said()}`, {
        hint: `What it printed: ${logFile}`,
      });
    },
    lastWords: async () => said(),
  };
  return runner;
}

/** Where in its log the program that is started now will begin to print. */
function rotated(logFile: string): number {
  const bytes = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes <= LOG_BYTES_MAX) return bytes;
  renameSync(logFile, `${logFile}.1`);
  return 0;
}
