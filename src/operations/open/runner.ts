import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { commandRunner } from "../../runners/command.ts";
import { projectName } from "../../engine/compose.ts";
import { composeRunner } from "../../runners/compose.ts";
import { containerRunner } from "../../runners/container.ts";
import { processNames, processRunner } from "../../runners/process.ts";
import type { Runner } from "../../runners/runner.ts";
import { systemdRunner } from "../../runners/systemd.ts";
import type { Surroundings } from "../components.ts";
import { gateOf, letStart } from "../gate.ts";
import { engineOf, namedImage } from "./image.ts";

/** Undefined when the configuration does not say how the component is stopped and started. */
export function openRunner(
  name: string,
  { run, target }: Pick<ComponentConfig, "run" | "target">,
  around: Surroundings,
): Runner | undefined {
  if (run === undefined) return undefined;
  const { folder, state } = around;
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
      ...processNames(name, state),
      stopTimeoutMs,
    });
  }
  if (run.compose !== undefined || run.container !== undefined) {
    return openEngineRunner(name, run, target?.["env-file"], around);
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

function openEngineRunner(
  name: string,
  { compose, container, ...run }: NonNullable<ComponentConfig["run"]>,
  envFile: string | undefined,
  around: Surroundings,
): Runner {
  const { state, dockerHost } = around;
  const docker = engineOf(around);
  const common = {
    docker,
    stopTimeoutMs: run["stop-timeout"],
    gate: gateOf({ state }, name).open,
    policyFile: path.join(state, "restart-policies", `${name}.json`),
  };
  if (compose !== undefined) {
    const files = compose.files ?? [compose.file!];
    const project = compose.project ?? projectName(files, envFile);
    const { service } = compose;
    return composeRunner(name, {
      ...common,
      prepare: async (inner) => void (await namedImage(name, around, inner)),
      service,
      project: { files, project, envFile, dockerHost },
    });
  }
  const { name: called, options, command, image } = container!;
  return containerRunner(name, {
    ...common,
    name: called,
    options,
    command,
    image: async (inner) => {
      const live =
        image === undefined
          ? await namedImage(name, around, inner)
          : await docker.image(image, inner);
      if (live !== undefined) return { reference: image ?? live.id, ...live };
      throw new AppError("NOT_FOUND", `start ${name}: no image is live`, {
        hint: `Deploy one, or take over what runs: lastgood releases adopt ${name}`,
      });
    },
  });
}
