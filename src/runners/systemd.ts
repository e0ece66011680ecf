import { systemClock } from "../base/clock.ts";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { type Command, exec } from "../base/exec.ts";
import { lastWords } from "./last-words.ts";
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
  "User",
  "DynamicUser",
] as const;

const ASK_TIMEOUT_MS = 10_000;
/** So long after SIGKILL the kernel is given to end a process. */
const KILLED_WITHIN_MS = 5000;
/** systemctl waits for the unit itself; that it takes a little longer says nothing. */
const SLACK_MS = 2000;

/**
 * A component whose processes are units of systemd. Its exit codes are not believed: what counts is
 * what it says of the units afterwards. All are asked about in one call, since each call takes as
 * long as a small service needs to start.
 */
export function systemdRunner(component: string, config: SystemdRunnerConfig): Runner {
  const { units, letStart } = config;
  // What they printed before we started them says nothing of their end.
  let startedAt: Date | undefined;
  return {
    units,
    log: `journalctl${units.map((unit) => ` -u ${unit}`).join("")} -n 50`,
    async isAlive(run) {
      return (await show(units, run)).every(({ ActiveState }) => ActiveState === "active");
    },
    async isDown(run) {
      return (await show(units, run)).every(({ ActiveState }) => IS_DOWN.has(ActiveState));
    },
    async identity(run) {
      const states = await show(units, run);
      return states.map(({ InvocationID, MainPID }) => `${InvocationID}:${MainPID}`).join(" ");
    },
    async users(run) {
      const states = await show(units, run);
      return states.map(({ User, DynamicUser }) =>
        DynamicUser === "yes" ? "dynamic" : User || "root",
      );
    },
    whyEnded: (run) => whyEnded({ units, startedAt }, run),
    lastWords: (run) => wordsOf(units, startedAt, run),
    stop: (run) => stopUnits(component, config, run),
    async start(run) {
      using _permission = letStart();
      startedAt = systemClock.now();
      await startUnits(component, { ...config, startedAt }, run);
    },
  };
}

async function systemctl(args: readonly string[], timeoutMs: number, run: Run): Promise<string> {
  const command: Command = ["systemctl", "--no-ask-password", ...args];
  const { stdout, stderr } = await exec(command, { timeoutMs }, run);
  return stdout || stderr;
}

/** SOURCE_FAILED when systemd does not answer; NOT_FOUND when it knows no such unit. */
async function show(units: readonly string[], run: Run): Promise<Unit[]> {
  const args = ["show", `--property=${PROPERTIES.join(",")}`, "--", ...units];
  const text = await systemctl(args, ASK_TIMEOUT_MS, run);
  const found = text.split("\n\n").map(parseUnit);
  return units.map((unit, at) => {
    const properties = found[at];
    if (properties?.ActiveState === undefined) {
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
  });
}

function parseUnit(text: string): Unit {
  const lines = text.split("\n").map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return Object.fromEntries(lines) as Unit;
}

/** Of the first that does not run, else of the first. */
async function whyEnded({ units, startedAt }: Started, run: Run): Promise<string> {
  const states = await show(units, run);
  const at = Math.max(
    states.findIndex(({ ActiveState }) => ActiveState !== "active"),
    0,
  );
  const words = await wordsOf([units[at]!], startedAt, run);
  return `${units[at]} is ${inWords(states[at]!)}${words}`;
}

/** What the programs of units printed last; nothing where the system keeps no journal. */
async function wordsOf(
  units: readonly string[],
  since: Date | undefined,
  run: Run,
): Promise<string> {
  if (since === undefined) return "";
  const from = `--since=@${since.getTime() / 1000}`;
  // Other than -u this leaves out what systemd itself says of them.
  const matches = units.map((unit) => `_SYSTEMD_UNIT=${unit}`);
  const command: Command = ["journalctl", "--no-pager", "-o", "cat", "-n", "20", from, ...matches];
  try {
    const { exitCode, stdout } = await exec(command, { timeoutMs: ASK_TIMEOUT_MS }, run);
    // Where there is nothing it says so.
    return exitCode !== 0 || /^-- .+ --$/.test(stdout.trim()) ? "" : lastWords(stdout);
  } catch (error) {
    run.signal.throwIfAborted();
    if (!hasCode(error, "SOURCE_FAILED")) throw error;
    return "";
  }
}

function inWords({ ActiveState, SubState, Result }: Unit): string {
  return `${ActiveState} (${SubState}, ${Result})`;
}

type Started = { readonly units: readonly string[]; readonly startedAt: Date | undefined };

const IS_DOWN: ReadonlySet<string> = new Set(["inactive", "failed"]);

async function stopUnits(
  component: string,
  { units, stopTimeoutMs }: SystemdRunnerConfig,
  run: Run,
): Promise<void> {
  const isUp = async (unit: string): Promise<boolean> =>
    !IS_DOWN.has((await show([unit], run))[0]!.ActiveState);
  for (const unit of units.toReversed()) {
    // It returns once the unit is down; that it takes too long is seen below.
    await systemctl(["stop", "--", unit], stopTimeoutMs, run).catch(ignoreTimeout);
  }
  const states = await show(units, run);
  for (const [at, unit] of units.entries()) {
    if (IS_DOWN.has(states[at]!.ActiveState)) continue;
    // Some programs never end on SIGTERM.
    const message = `${unit} does not stop after ${stopTimeoutMs} ms: it is killed`;
    run.report({ type: "warning", message });
    await systemctl(["kill", "--signal=SIGKILL", "--", unit], ASK_TIMEOUT_MS, run);
    if (await waitUntil(async () => !(await isUp(unit)), KILLED_WITHIN_MS, run)) continue;
    throw new AppError("UNHEALTHY", `stop ${component}: ${unit} still runs`, {
      hint: `See: systemctl status ${unit}`,
    });
  }
}

function ignoreTimeout(error: unknown): void {
  if (!hasCode(error, "SOURCE_FAILED")) throw error;
}

async function startUnits(
  component: string,
  { units, startTimeoutMs, startedAt }: SystemdRunnerConfig & Started,
  run: Run,
): Promise<void> {
  // A failed unit counts as stopped, but its count of starts would refuse the next one.
  await systemctl(["reset-failed", "--", ...units], ASK_TIMEOUT_MS, run);
  for (const unit of units) {
    const said = await systemctl(["start", "--", unit], startTimeoutMs + SLACK_MS, run);
    let [state] = await show([unit], run);
    const isSettled = async (): Promise<boolean> => {
      [state] = await show([unit], run);
      return state!.ActiveState === "active" || hasDied(state!);
    };
    if (state!.ActiveState !== "active") await waitUntil(isSettled, startTimeoutMs, run);
    if (state!.ActiveState === "active") continue;
    const why =
      state!.ConditionResult === "no"
        ? "its conditions are not met"
        : `it is ${inWords(state!)}${(await wordsOf([unit], startedAt, run)) || lastWords(said)}`;
    throw new AppError("UNHEALTHY", `start ${component}: ${unit}: ${why}`, {
      hint: `See: journalctl -u ${unit} -n 50`,
    });
  }
}

/** It ended, and systemd waits to start it again: that is no start. */
function hasDied({ ActiveState, SubState }: Unit): boolean {
  return IS_DOWN.has(ActiveState) || SubState.startsWith("auto-restart");
}
