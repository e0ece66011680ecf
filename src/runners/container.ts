import { createHash } from "node:crypto";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { engineRunner, type EngineRunnerConfig } from "./engine.ts";
import type { Runner } from "./runner.ts";

export type ContainerRunnerConfig = Omit<EngineRunnerConfig, "find" | "make" | "log"> & {
  /** The container's. */
  readonly name: string;
  /** As `docker create` takes them. */
  readonly options: readonly string[];
  /** What runs in it; empty: what the image says. */
  readonly command: readonly string[];
  /** What is live now: the name it is started by, and its content. */
  readonly image: (run: Run) => Promise<{ readonly reference: string; readonly id: string }>;
};

/** Tells whether a container was made with the options that it should have. */
const MADE_WITH = "lastgood.made-with";

/** One container that lastgood makes itself, as `docker run` would. */
export function containerRunner(component: string, config: ContainerRunnerConfig): Runner {
  const { docker, name, options, command } = config;
  const find: EngineRunnerConfig["find"] = async (run) => {
    const found = await docker.container(name, run);
    return found === undefined ? [] : [found];
  };
  return engineRunner(component, {
    ...config,
    log: `docker logs --tail 50 ${name}`,
    find,
    async make(run) {
      const { reference, id } = await config.image(run);
      const text = JSON.stringify([options, command]);
      const madeWith = createHash("sha256").update(text).digest("hex");
      const [there] = await find(run);
      if (there?.image !== id || there.labels[MADE_WITH] !== madeWith) {
        if (there?.isRunning === true) {
          throw new AppError(
            "REFUSED",
            `start ${component}: ${name} runs another image or options`,
            {
              hint: `Stop it first: lastgood stop ${component}`,
            },
          );
        }
        if (there !== undefined) await docker.run(["rm", there.id], run);
        const label = `${MADE_WITH}=${madeWith}`;
        // Data in volumes that nobody gave a name would be lost from sight.
        const volumes = (there?.volumes ?? [])
          .filter(({ at }) => !options.some((option) => option.includes(`:${at}`)))
          .map((volume) => `--volume=${volume.name}:${volume.at}`);
        const named = ["--name", name, "--label", label, ...volumes];
        await docker.run(["create", ...named, ...options, reference, ...command], run);
      }
    },
  });
}
