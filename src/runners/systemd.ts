import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, exec } from "../base/exec.ts";
import type { Runner } from "./runner.ts";
import { waitUntil } from "./wait-until.ts";

export type SystemdRunnerConfig = {
  /** In the order in which they start. */
  readonly units: readonly string[];
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** Until disposed, units may start while an operation is open. */
  readonly letStart: () => Disposable;
};

/** What `systemctl show` says of a unit; see systemd.unit(5) and org.freedesktop.systemd1(5). */
type Unit = Readonly<Record<(typeof PROPERTIES)[number], string>>;

const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "SubState",
  "MainPID",
  "InvocationID",
  "ConditionResult",
  "Result",
] as const;

const ASK_TIMEOUT_MS = 10_000;
/** So long after SIGKILL the kernel is given to end a process. */
const KILLED_WITHIN_MS = 5000;
/** systemctl waits for the unit itself; that it takes a little longer says nothing. */
const SLACK_MS = 2000;

/** A component whose processes are units of systemd. Its exit codes are not believed. */
export function systemdRunner(component: string, config: SystemdRunnerConfig): Runner {
  const { units, startTimeoutMs, stopTimeoutMs, letStart } = config;
  return {
    units,
    async isAlive(run) {
      const states = await Promise.all(units.map((unit) => show(unit, run)));
      return states.every(({ ActiveState }) => ActiveState === "active");
    },
    async identity(run) {
      const states = await Promise.all(units.map((unit) => show(unit, run)));
      return states.map(({ InvocationID, MainPID }) => `${InvocationID}:${MainPID}`).join(" ");
    },
    async users(run) {
      const said = await Promise.all(
        units.map((unit) =>
          systemctl(["show", "--property=User,DynamicUser", "--", unit], ASK_TIMEOUT_MS, run),
        ),
      );
      return said.map((text) =>
        text.includes("DynamicUser=yes")
          ? "dynamic"
          : (/^User=(.*)$/m.exec(text)?.[1] ?? "") || "root",
      );
    },
    async stop(run) {
      for (const unit of units.toReversed()) await stopUnit(component, unit, stopTimeoutMs, run);
    },
    async start(run) {
      using _permission = letStart();
      for (const unit of units) await startUnit(component, unit, startTimeoutMs, run);
    },
  };
}

async function systemctl(args: readonly string[], timeoutMs: number, run: Run): Promise<string> {
  const command: Command = ["systemctl", "--no-ask-password", ...args];
  const { stdout, stderr } = await exec(command, { timeoutMs }, run);
  return stdout || stderr;
}

/** SOURCE_FAILED when systemd does not answer; NOT_FOUND when it knows no such unit. */
async function show(unit: string, run: Run): Promise<Unit> {
  const args = ["show", `--property=${PROPERTIES.join(",")}`, "--", unit];
  const text = await systemctl(args, ASK_TIMEOUT_MS, run);
  const properties = Object.fromEntries(
    text.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  ) as Unit;
  if (properties.ActiveState === undefined) {
    throw new AppError("SOURCE_FAILED", `ask systemd about ${unit}: ${text.trim()}`, {
      hint: "See whether systemd runs here and lastgood may speak with it.",
    });
  }
  if (properties.LoadState === "not-found") {
    throw new AppError("NOT_FOUND", `ask systemd about ${unit}: there is no such unit`, {
      hint: "Look for a typing error under run.systemd, or run: systemctl daemon-reload",
    });
  }
  return properties;
}

const IS_DOWN: ReadonlySet<string> = new Set(["inactive", "failed"]);

async function stopUnit(
  component: string,
  unit: string,
  timeoutMs: number,
  run: Run,
): Promise<void> {
  const isDown = async (): Promise<boolean> => IS_DOWN.has((await show(unit, run)).ActiveState);
  if (!(await isDown())) {
    await systemctl(["stop", "--no-block", "--", unit], ASK_TIMEOUT_MS, run);
    if (!(await waitUntil(isDown, timeoutMs, run))) {
      // Some programs never end on SIGTERM.
      const message = `${unit} does not stop after ${timeoutMs} ms: it is killed`;
      run.report({ type: "warning", message });
      await systemctl(["kill", "--signal=SIGKILL", "--", unit], ASK_TIMEOUT_MS, run);
      if (!(await waitUntil(isDown, KILLED_WITHIN_MS, run))) {
        throw new AppError("UNHEALTHY", `stop ${component}: ${unit} still runs`, {
          hint: `See: systemctl status ${unit}`,
        });
      }
    }
  }
  // A failed unit counts as stopped, but its count of starts would refuse the next one.
  await systemctl(["reset-failed", "--", unit], ASK_TIMEOUT_MS, run);
}

async function startUnit(
  component: string,
  unit: string,
  timeoutMs: number,
  run: Run,
): Promise<void> {
  if ((await show(unit, run)).ActiveState === "active") return;
  await systemctl(["reset-failed", "--", unit], ASK_TIMEOUT_MS, run);
  const said = await systemctl(["start", "--", unit], timeoutMs + SLACK_MS, run);
  let state = await show(unit, run);
  const isSettled = async (): Promise<boolean> => {
    state = await show(unit, run);
    return state.ActiveState === "active" || hasDied(state);
  };
  await waitUntil(isSettled, timeoutMs, run);
  if (state.ActiveState === "active") return;
  const why =
    state.ConditionResult === "no"
      ? "its conditions are not met"
      : `it is ${state.ActiveState} (${state.SubState}, ${state.Result}) ${said.trim()}`.trim();
  throw new AppError("UNHEALTHY", `start ${component}: ${unit}: ${why}`, {
    hint: `See: journalctl -u ${unit} -n 50`,
  });
}

/** It ended, and systemd waits to start it again: that is no start. */
function hasDied({ ActiveState, SubState }: Unit): boolean {
  return IS_DOWN.has(ActiveState) || SubState.startsWith("auto-restart");
}
