import { compose, type ComposeProject } from "../engine/compose.ts";
import type { Run } from "../base/events.ts";
import type { Container } from "../engine/docker.ts";
import { engineRunner, type EngineRunnerConfig } from "./engine.ts";
import type { Runner } from "./runner.ts";

export type ComposeRunnerConfig = Omit<EngineRunnerConfig, "find" | "make" | "log"> & {
  readonly project: ComposeProject;
  readonly service: string;
  /** Sees to it that the name by which compose starts the image leads to the one that is live. */
  readonly prepare: (run: Run) => Promise<void>;
};

/** One service of a compose project; the others are not touched, whatever it depends on. */
export function composeRunner(component: string, config: ComposeRunnerConfig): Runner {
  const { docker, project, service } = config;
  return engineRunner(component, {
    ...config,
    log: `docker compose --project-name ${project.project} logs --tail 50 ${service}`,
    async find(run) {
      // Compose of either generation puts these labels on what it makes.
      const labels = [`project=${project.project}`, `service=${service}`, "oneoff=False"];
      const filters = labels.flatMap((one) => ["--filter", `label=com.docker.compose.${one}`]);
      const ids = await docker.run(["ps", "--all", "--quiet", "--no-trunc", ...filters], run);
      const found: Container[] = [];
      for (const id of ids.split("\n").filter(Boolean)) {
        const container = await docker.container(id, run);
        if (container !== undefined) found.push(container);
      }
      return found;
    },
    async make(run) {
      await config.prepare(run);
      await compose(project, ["up", "--no-start", "--no-deps", "--no-build", service], run);
    },
  });
}
