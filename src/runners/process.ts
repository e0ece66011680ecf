import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Command } from "../base/exec.ts";
import { processStart } from "../base/host.ts";
import {
  findMarked,
  isRunning,
  isSessionLeader,
  signalAll,
  startMarked,
} from "../base/processes.ts";
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

const KILLED_WITHIN_MS = 5000;
/** Who is alive after this has at least found its libraries and its configuration. */
const SETTLED_MS = 300;

/**
 * A component that lastgood starts itself. Its processes are found by a mark in their environment,
 * which those that they start inherit: there is no file that could be lost or wrong.
 */
export function processRunner(component: string, config: ProcessRunnerConfig): Runner {
  const { program, folder, env, logFile, mark, stopTimeoutMs } = config;
  const stoppingFile = `${logFile}.stopping`;
  const find = (): number[] => findMarked(mark, logFile);
  const isGone = async (): Promise<boolean> => find().length === 0;
  const runner: Runner = {
    async isAlive() {
      return find().length > 0;
    },
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
      const pid = await startMarked(program, mark, { folder, logFile, env });
      const start = processStart(pid);
      // Its first program may have gone over into another, or have left it to one that it started.
      const hasEnded = async (): Promise<boolean> =>
        processStart(pid) !== start && (await isGone());
      if (!(await waitUntil(hasEnded, SETTLED_MS, run))) return;
      throw new AppError("UNHEALTHY", `start ${component}: it ended at once`, {
        hint: `What it printed: ${logFile}`,
      });
    },
  };
  return runner;
}
