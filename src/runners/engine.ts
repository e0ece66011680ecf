import { rm } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { writeFileDurable } from "../base/fs.ts";
import type { Container, Docker } from "../engine/docker.ts";
import { lastWords } from "./last-words.ts";
import type { Runner } from "./runner.ts";

export type EngineRunnerConfig = {
  /** A command that shows what the component prints. */
  readonly log: string;
  readonly docker: Docker;
  readonly stopTimeoutMs: number;
  /** While this file is there nobody but we may start the component. */
  readonly gate: string;
  /** Keeps the restart policy that the container has once the gate is open again. */
  readonly policyFile: string;
  /** The containers of the component; mostly one. */
  find(run: Run): Promise<Container[]>;
  /** Has them made, where they are not there as they should be; not started. */
  make(run: Run): Promise<void>;
};

const STOP_EXTRA_MS = 30_000;

/** What all runners of containers have in common; they differ in how containers are made. */
export function engineRunner(component: string, config: EngineRunnerConfig): Runner {
  const { docker, find, make, gate, stopTimeoutMs, log } = config;
  const isAlive = async (run: Run): Promise<boolean> => {
    const found = await find(run);
    return found.length > 0 && found.every(({ isRunning }) => isRunning);
  };
  return {
    log,
    isAlive,
    isDown: (run) => isDown(config, run),
    containers: find,
    identity: (run) => identity(config, run),

    async stop(run) {
      // From here on the engine must not start it by itself, also after a power cut.
      if (existsSync(gate)) await bar(config, run);
      // Whoever is paused cannot be told to end.
      await thaw(config, run);
      for (const { id } of await find(run)) {
        const seconds = Math.ceil(stopTimeoutMs / 1000);
        await docker.run(["stop", "-t", String(seconds), id], run, stopTimeoutMs + STOP_EXTRA_MS);
      }
      if (!(await find(run)).some(({ isRunning }) => isRunning)) return;
      throw new AppError("UNHEALTHY", `stop ${component}: its container still runs`);
    },

    async start(run) {
      await make(run);
      if (existsSync(gate)) await bar(config, run);
      for (const { id, isRunning, isPaused } of await find(run)) {
        if (isPaused) await docker.run(["unpause", id], run);
        else if (!isRunning) await docker.run(["start", id], run);
      }
      if (!existsSync(gate)) await unbar(config, run);
      if (await isAlive(run)) return;
      throw new AppError("UNHEALTHY", `start ${component}: ${await whyEnded(config, run)}`, {
        hint: `What it printed: ${log}`,
      });
    },

    async freeze(limitMs, run) {
      const startedMs = performance.now();
      for (const { id, isPaused, isRunning } of await find(run)) {
        if (isRunning && !isPaused) await docker.run(["pause", id], run);
      }
      return {
        isLate: () => performance.now() - startedMs >= limitMs,
        [Symbol.asyncDispose]: () => thaw(config, run),
      };
    },
    thaw: (run) => thaw(config, run),
    whyEnded: (run) => whyEnded(config, run),
    lastWords: (run) => wordsOf(config, run),
    bar: (run) => bar(config, run),
    unbar: (run) => unbar(config, run),
  };
}

async function isDown({ find }: EngineRunnerConfig, run: Run): Promise<boolean> {
  return (await find(run)).every(({ isRunning, isRestarting }) => !isRunning && !isRestarting);
}

async function identity({ find }: EngineRunnerConfig, run: Run): Promise<string> {
  const found = await find(run);
  return found.map(({ id, startedAt, restarts }) => `${id} ${startedAt} ${restarts}`).join("\n");
}

/** Letting go on does not listen to cancellation. */
async function thaw({ docker, find }: EngineRunnerConfig, { report }: Run): Promise<void> {
  const run = { signal: new AbortController().signal, report };
  for (const { id, isPaused } of await find(run)) {
    if (isPaused) await docker.run(["unpause", id], run);
  }
}

async function whyEnded({ docker, find }: EngineRunnerConfig, run: Run): Promise<string> {
  const found = (await find(run)).find(({ isRunning }) => !isRunning) ?? (await find(run))[0];
  if (found === undefined) return "there is no container";
  if (found.error !== "") return found.error;
  return `it ended with exit code ${found.exitCode}${await wordsOf({ docker, find }, run)}`;
}

async function wordsOf(
  { docker, find }: Pick<EngineRunnerConfig, "docker" | "find">,
  run: Run,
): Promise<string> {
  const all = await find(run);
  const one = all.find(({ isRunning }) => !isRunning) ?? all[0];
  return one === undefined ? "" : lastWords(await docker.lastLines(one.id, run).catch(() => ""));
}

/** By the container's id, since another one may have the name by then. */
type Policies = Readonly<Record<string, string>>;

async function bar({ docker, find, policyFile }: EngineRunnerConfig, run: Run): Promise<void> {
  const policies: Record<string, string> = { ...readPolicies(policyFile) };
  for (const { id, restartPolicy } of await find(run)) {
    if (restartPolicy === "no") continue;
    policies[id] = restartPolicy;
    await writeFileDurable(policyFile, Buffer.from(JSON.stringify(policies)), "replace");
    await setPolicy(docker, id, "no", run);
  }
}

const TRIES_MAX = 5;

/** One that is ending at the same moment cannot be changed; a moment later it can. */
async function setPolicy(docker: Docker, id: string, policy: string, run: Run): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await docker.run(["update", `--restart=${policy}`, id], run);
      return;
    } catch (error) {
      if (tries === TRIES_MAX || !hasCode(error, "SOURCE_FAILED")) throw error;
      if ((await docker.container(id, run)) === undefined) return;
      await sleep(PAUSE_MS, undefined, { signal: run.signal });
    }
  }
}

const PAUSE_MS = 100;

async function unbar({ docker, find, policyFile }: EngineRunnerConfig, run: Run): Promise<void> {
  const policies = readPolicies(policyFile);
  for (const { id, restartPolicy } of await find(run)) {
    const policy = policies[id];
    if (policy === undefined || restartPolicy !== "no") continue;
    await setPolicy(docker, id, policy, run);
  }
  await rm(policyFile, { force: true });
}

function readPolicies(file: string): Policies {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Policies;
  } catch {
    // Then containers stay without a policy, and the next start by compose does not change that.
    return {};
  }
}
