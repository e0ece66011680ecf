import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./releases.ts";

const START_MS_MAX = 60_000;
const BUSYBOX = "/bin/busybox";

/** Whether this machine has what a container engine of our own needs. */
export function hasEngine(): boolean {
  const programs = ["dockerd", "docker", "docker-registry"].map((name) => `/usr/bin/${name}`);
  return [...programs.map((file) => ({ file })), { file: BUSYBOX }].every(
    ({ file }) => existsSync(file) || existsSync(file.replace("/usr/bin", "/usr/sbin")),
  );
}

/** A real Docker engine of our own, with its data in a folder, away from any other. */
export type Engine = AsyncDisposable & {
  /** As docker's -H takes it. */
  readonly host: string;
  docker(...args: string[]): Promise<string>;
  /** Ends it, containers and all, as a power cut does, and starts it again. */
  cutPower(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
};

/** The socket's path has to be short: 107 bytes at most. */
export async function startEngine(): Promise<Engine> {
  const folder = await mkdtemp("/var/tmp/lg-engine-");
  const host = `unix://${folder}/sock`;
  let daemon: ChildProcess | undefined;
  const docker = async (...args: string[]): Promise<string> => {
    const options = { maxBuffer: 16 * 1024 * 1024 };
    const { stdout } = await promisify(execFile)("docker", ["-H", host, ...args], options);
    return stdout.trim();
  };
  const start = async (): Promise<void> => {
    const parts = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
    const at = [
      `--data-root=${folder}/data`,
      `--exec-root=${folder}/exec`,
      `--pidfile=${folder}/pid`,
    ];
    const log = openSync(`${folder}/log`, "a");
    daemon = spawn("dockerd", [...parts, ...at, "-H", host], { stdio: ["ignore", log, log] });
    closeSync(log);
    await until(() => docker("version"), "the engine");
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, "exit");
    daemon.kill(signal);
    await gone;
  };
  await start();
  return {
    host,
    docker,
    start,
    stop: () => end("SIGTERM"),
    async cutPower() {
      const ids = (await docker("ps", "-q")).split("\n").filter(Boolean);
      const pids = await Promise.all(
        ids.map((id) => docker("inspect", "-f", "{{.State.Pid}}", id)),
      );
      await end("SIGKILL");
      // Its helpers and the containers in them are in no group of the daemon.
      await run(["pkill", "-KILL", "-f", `${folder}/exec`]);
      for (const pid of pids) kill(Number(pid));
      await run(["umount", `${folder}/exec/netns/default`]);
      // What lies in /run is gone after a power cut.
      for (const name of ["exec", "pid", "sock"]) {
        await rm(`${folder}/${name}`, { recursive: true, force: true });
      }
      await start();
    },
    async [Symbol.asyncDispose]() {
      const ids = (await docker("ps", "-aq").catch(() => "")).split("\n").filter(Boolean);
      if (ids.length > 0) await run(["docker", "-H", host, "rm", "-f", ...ids]);
      await end("SIGTERM");
      for (const mount of [`${folder}/exec/netns/default`, `${folder}/data`]) {
        await run(["umount", "-R", mount]);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whatever becomes of it. */
async function run([program, ...args]: readonly [string, ...string[]]): Promise<void> {
  await promisify(execFile)(program, args).catch(() => {});
}

function kill(pid: number): void {
  // Of one that has ended it is 0: that would be all of us.
  if (!(pid > 1)) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended with its helper.
  }
}

/** A real registry on loopback. */
export type Registry = AsyncDisposable & {
  readonly at: string;
  stop(): Promise<void>;
  start(): Promise<void>;
};

export async function startRegistry(): Promise<Registry> {
  const folder = await mkdtemp("/var/tmp/lg-registry-");
  const port = await freePort();
  const at = `127.0.0.1:${port}`;
  const config = `version: 0.1
storage: { filesystem: { rootdirectory: ${folder}/data } }
http: { addr: ${at} }
`;
  await writeFile(`${folder}/config.yml`, config);
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    server = spawn("docker-registry", ["serve", `${folder}/config.yml`], { stdio: "ignore" });
    await until(() => fetch(`http://${at}/v2/`), "the registry");
  };
  const stop = async (): Promise<void> => {
    if (server === undefined || server.exitCode !== null) return;
    const gone = once(server, "exit");
    server.kill();
    await gone;
  };
  await start();
  return {
    at,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes an image of a folder of files, over a busybox; the rest of a system is mounted into it. */
export async function makeImage(
  engine: Engine,
  reference: string,
  files: string,
  changes: readonly string[],
): Promise<void> {
  const root = await mkdtemp("/var/tmp/lg-image-");
  try {
    await mkdir(`${root}/bin`);
    await cp(BUSYBOX, `${root}/bin/busybox`);
    await symlink("busybox", `${root}/bin/sh`);
    // As a merged /usr has them, so that the machine's own /usr can be mounted.
    for (const name of ["lib", "lib64"]) await symlink(`usr/${name}`, `${root}/${name}`);
    await cp(files, `${root}/app`, { recursive: true });
    await promisify(execFile)("tar", ["-C", root, "-cf", `${root}.tar`, "."]);
    const options = changes.flatMap((change) => ["--change", change]);
    await engine.docker("import", ...options, `${root}.tar`, reference);
  } finally {
    await rm(root, { recursive: true, force: true });
    await rm(`${root}.tar`, { force: true });
  }
}

/** Where the program that runs the tests lies: it is mounted into containers. */
export const RUNTIME = path.dirname(process.execPath);

async function until(ask: () => Promise<unknown>, what: string): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`${what} does not answer`, { cause: error });
      await sleep(100);
    }
  }
}
