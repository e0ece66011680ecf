import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, exec, execOk } from "../base/exec.ts";
import type { Runner } from "./runner.ts";
import { waitUntil } from "./wait-until.ts";

export type CommandRunnerConfig = {
  readonly start: Command;
  readonly stop: Command;
  /** Exit code 0: it lives. */
  readonly alive: Command;
  readonly folder: string;
  /** What the last start printed, and what was started prints there. */
  readonly logFile: string;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
};

/** A shell's words for "not executable" and "not found": they say nothing of the component. */
const NOT_RUN: ReadonlySet<number> = new Set([126, 127]);
const ALIVE_TIMEOUT_MS = 10_000;

/** A component that commands stop, start and ask about. Their exit code is not believed. */
export function commandRunner(component: string, config: CommandRunnerConfig): Runner {
  const { start, stop, alive, folder, logFile, startTimeoutMs, stopTimeoutMs } = config;

  const isAlive = async (run: Run): Promise<boolean> => {
    const { exitCode } = await exec(alive, { timeoutMs: ALIVE_TIMEOUT_MS, folder }, run);
    if (!NOT_RUN.has(exitCode)) return exitCode === 0;
    throw new AppError("SOURCE_FAILED", `ask ${component}: ${alive[0]} could not be run`, {
      hint: `Whether ${component} lives is unknown. Correct run.command.alive.`,
    });
  };

  return {
    log: logFile,
    isAlive,
    async stop(run) {
      if (!(await isAlive(run))) return;
      await execOk(stop, { timeoutMs: stopTimeoutMs, folder }, run);
      if (await waitUntil(async () => !(await isAlive(run)), stopTimeoutMs, run)) return;
      throw new AppError(
        "UNHEALTHY",
        `stop ${component}: it still runs after ${stopTimeoutMs} ms`,
        {
          hint: "Stop it by hand, or give run.command.stop a command that ends it for good.",
        },
      );
    },
    async start(run) {
      if (await isAlive(run)) return;
      await execOk(start, { timeoutMs: startTimeoutMs, folder, logFile }, run);
      if (await waitUntil(() => isAlive(run), startTimeoutMs, run)) return;
      throw new AppError("UNHEALTHY", `start ${component}: not alive after ${startTimeoutMs} ms`, {
        hint: `See its own log for the reason, or what it printed: ${logFile}`,
      });
    },
  };
}
