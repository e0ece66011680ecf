import path from "node:path";
import type { ComponentConfig } from "../../config/schema.ts";
import { commandRunner } from "../../runners/command.ts";
import { processRunner } from "../../runners/process.ts";
import type { Runner } from "../../runners/runner.ts";
import { systemdRunner } from "../../runners/systemd.ts";
import type { Surroundings } from "../components.ts";
import { gateOf, letStart } from "../gate.ts";

/** Undefined when the configuration does not say how the component is stopped and started. */
export function openRunner(
  name: string,
  { run }: Pick<ComponentConfig, "run">,
  { folder, state }: Surroundings,
): Runner | undefined {
  if (run === undefined) return undefined;
  const stopTimeoutMs = run["stop-timeout"];
  const startTimeoutMs = run["start-timeout"];
  if (run.systemd !== undefined) {
    const gate = gateOf({ state }, name);
    return systemdRunner(name, {
      units: run.systemd,
      startTimeoutMs,
      stopTimeoutMs,
      letStart: () => letStart(gate),
    });
  }
  if (run.process !== undefined) {
    return processRunner(name, {
      program: run.process,
      folder: run.folder ?? folder,
      env: run.env,
      logFile: path.join(state, "logs", `${name}.log`),
      mark: `${name}@${state}`,
      stopTimeoutMs,
    });
  }
  const { start, stop, alive, ...timeouts } = run.command!;
  return commandRunner(name, {
    start,
    stop,
    alive,
    folder,
    logFile: path.join(state, "logs", `${name}.start.log`),
    startTimeoutMs: timeouts["start-timeout"],
    stopTimeoutMs: timeouts["stop-timeout"],
  });
}
