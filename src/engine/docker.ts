import * as z from "zod";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { exec, type ExecResult } from "../base/exec.ts";

/** A container engine, spoken to by its own program. */
export type Docker = {
  /** What a command prints. SOURCE_FAILED with its last words; UNAVAILABLE without an engine. */
  run(args: readonly string[], run: Run, timeoutMs?: number): Promise<string>;
  /** The last lines that a container printed, on either of its outputs. */
  lastLines(id: string, run: Run): Promise<string>;
  /** Undefined when there is no such image on this machine. */
  image(reference: string, run: Run): Promise<Image | undefined>;
  /** Undefined when there is no such container. */
  container(nameOrId: string, run: Run): Promise<Container | undefined>;
};

export type Image = {
  /** Names its content, whatever tags there are. */
  readonly id: string;
  /** As registries know it: `name@sha256:…`. */
  readonly digests: readonly string[];
  readonly tags: readonly string[];
  readonly created: string;
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
};

export type Container = {
  readonly id: string;
  /** The id of the image that it runs, not the name by which it was asked for. */
  readonly image: string;
  readonly isRunning: boolean;
  /** It ended, and the engine is about to start it again. */
  readonly isRestarting: boolean;
  readonly isPaused: boolean;
  /** Undefined when the image says nothing of its health. */
  readonly health: "starting" | "healthy" | "unhealthy" | undefined;
  readonly exitCode: number;
  readonly error: string;
  readonly startedAt: string;
  readonly restarts: number;
  /** What the engine does when it ends, or when the machine was started: `no`, `always`, … */
  readonly restartPolicy: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Volumes of the engine's, by where they are seen. */
  readonly volumes: readonly { readonly name: string; readonly at: string }[];
};

const MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** `host` as the program's own `-H`; undefined: where it looks by itself. */
export function dockerAt(host: string | undefined): Docker {
  const call = async (
    args: readonly string[],
    { signal, report }: Run,
    timeoutMs: number,
  ): Promise<ExecResult> => {
    const where = host === undefined ? [] : ["-H", host];
    const options = { timeoutMs, outputBytesMax: OUTPUT_BYTES_MAX };
    const { exitCode, stdout, stderr } = await exec(["docker", ...where, ...args], options, {
      signal,
      report,
    });
    if (exitCode === 0) return { exitCode, stdout, stderr };
    throw failure(args, stderr || stdout);
  };
  const run: Docker["run"] = async (args, inner, timeoutMs = MS_MAX) =>
    (await call(args, inner, timeoutMs)).stdout;
  const inspect = async (type: string, name: string, inner: Run): Promise<unknown> => {
    try {
      const text = await run(["inspect", "--type", type, name], inner);
      return (JSON.parse(text) as unknown[])[0];
    } catch (error) {
      if (error instanceof AppError && /No such (object|image|container)/i.test(error.message)) {
        return undefined;
      }
      throw error;
    }
  };
  return {
    run,
    async lastLines(id, inner) {
      const { stdout, stderr } = await call(["logs", "--tail", "20", id], inner, MS_MAX);
      return `${stdout}\n${stderr}`;
    },
    async image(reference, inner) {
      const found = await inspect("image", reference, inner);
      return found === undefined ? undefined : imageOf(IMAGE.parse(found));
    },
    async container(name, inner) {
      const found = await inspect("container", name, inner);
      if (found === undefined) return undefined;
      const parsed = CONTAINER.parse(found);
      // The engine also takes the beginning of an id for a name: that is a stranger's.
      return parsed.Name === `/${name}` || parsed.Id === name ? containerOf(parsed) : undefined;
    },
  };
}

function failure(args: readonly string[], output: string): AppError {
  const lastWords =
    output
      .trim()
      .split("\n")
      .findLast((line) => line.trim() !== "") ?? "";
  const said = lastWords.replace(/^Error response from daemon: /, "");
  if (/Cannot connect to the Docker daemon|error during connect/i.test(output)) {
    return new AppError("UNAVAILABLE", `docker ${args[0]}: the engine does not answer`, {
      hint: "Start it (systemctl start docker), or say under docker-host: where it is.",
    });
  }
  return new AppError("SOURCE_FAILED", `docker ${args[0]}: ${said}`);
}

// As `docker inspect` prints it: https://docs.docker.com/reference/api/engine/version/v1.41/
const IMAGE = z.object({
  Id: z.string(),
  RepoDigests: z.array(z.string()).nullish(),
  RepoTags: z.array(z.string()).nullish(),
  Created: z.string(),
  Size: z.number().default(0),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

const CONTAINER = z.object({
  Id: z.string(),
  Name: z.string(),
  Mounts: z
    .array(z.object({ Type: z.string(), Name: z.string().optional(), Destination: z.string() }))
    .nullish(),
  Image: z.string(),
  RestartCount: z.number().default(0),
  State: z.object({
    Running: z.boolean(),
    Restarting: z.boolean().default(false),
    Paused: z.boolean().default(false),
    ExitCode: z.number().default(0),
    Error: z.string().default(""),
    StartedAt: z.string(),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  HostConfig: z.object({
    RestartPolicy: z.object({ Name: z.string(), MaximumRetryCount: z.number().default(0) }),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
});

function imageOf(found: z.infer<typeof IMAGE>): Image {
  return {
    id: found.Id,
    digests: found.RepoDigests ?? [],
    tags: found.RepoTags ?? [],
    created: found.Created,
    bytes: found.Size,
    labels: found.Config?.Labels ?? {},
  };
}

const HEALTH = ["starting", "healthy", "unhealthy"] as const;

function containerOf({ State, ...found }: z.infer<typeof CONTAINER>): Container {
  const { Name: policy, MaximumRetryCount: tries } = found.HostConfig.RestartPolicy;
  return {
    id: found.Id,
    image: found.Image,
    isRunning: State.Running && !State.Restarting,
    isRestarting: State.Restarting,
    isPaused: State.Paused,
    health: HEALTH.find((one) => one === State.Health?.Status),
    exitCode: State.ExitCode,
    error: State.Error,
    startedAt: State.StartedAt,
    restarts: found.RestartCount,
    restartPolicy: policy === "on-failure" && tries > 0 ? `${policy}:${tries}` : policy || "no",
    labels: found.Config.Labels ?? {},
    volumes: (found.Mounts ?? []).flatMap(({ Type, Name, Destination }) =>
      Type === "volume" && Name !== undefined ? [{ name: Name, at: Destination }] : [],
    ),
  };
}
