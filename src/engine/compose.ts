import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { once } from "../base/once.ts";
import { type Command, exec, execOk } from "../base/exec.ts";
import { ENGINE_VARIABLES, environmentOf } from "../base/host.ts";

/** One project, as its files describe it. */
export type ComposeProject = {
  readonly files: readonly string[];
  readonly project: string;
  /** Where the variables of the files stand. */
  readonly envFile: string | undefined;
  readonly dockerHost: string | undefined;
};

/** The name that compose gives a project that has none, so that ours is the one that is there. */
export function projectName(files: readonly string[], envFile: string | undefined): string {
  const [first = ""] = files;
  const folder = path.dirname(path.resolve(first));
  const fromEnv = /^\s*COMPOSE_PROJECT_NAME\s*=\s*["']?([^"'\s]+)/m.exec(
    readIfThere(envFile ?? path.join(folder, ".env")),
  )?.[1];
  const named = files.map((file) => nameIn(file)).find((name) => name !== undefined);
  const name = fromEnv ?? named ?? path.basename(folder);
  return name
    .toLowerCase()
    .replaceAll(/[^-_a-z0-9]/g, "")
    .replace(/^[-_]+/, "");
}

function nameIn(file: string): string | undefined {
  const found = parse(readIfThere(file)) as { name?: unknown } | null;
  return typeof found?.name === "string" ? found.name : undefined;
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

const MS_MAX = 10 * 60_000;

/** Runs compose, of either generation. SOURCE_FAILED with its last words. */
export async function compose(
  { files, project, envFile, dockerHost }: ComposeProject,
  args: readonly string[],
  run: Run,
): Promise<string> {
  const folder = path.dirname(path.resolve(files[0]!));
  const where = [
    ...files.flatMap((file) => ["-f", file]),
    ...(envFile === undefined ? [] : ["--env-file", envFile]),
    "-p",
    project,
  ];
  const [program, ...first] = await composeProgram(run);
  // A variable of ours would win over the env file.
  const env = {
    ...environmentOf(ENGINE_VARIABLES),
    ...(dockerHost === undefined ? {} : { DOCKER_HOST: dockerHost }),
  };
  const options = { timeoutMs: MS_MAX, folder, isPlain: true, env };
  return await execOk([program, ...first, ...where, ...args], options, run);
}

/** The plug-in of the engine's program, or the program of the first generation. */
const composeProgram = once(async (run: Run): Promise<Command> => {
  const candidates: Command[] = [["docker", "compose"], ["docker-compose"]];
  for (const candidate of candidates) {
    const [program, ...args] = candidate;
    const found = await exec([program, ...args, "version"], { timeoutMs: 20_000 }, run).catch(
      (error: unknown) => {
        run.signal.throwIfAborted();
        if (error instanceof AppError) return undefined;
        throw error;
      },
    );
    if (found?.exitCode === 0) return candidate;
  }
  throw new AppError(
    "UNAVAILABLE",
    "run compose: neither docker compose nor docker-compose is here",
    {
      hint: "Install one of them: https://docs.docker.com/compose/install/",
    },
  );
});
