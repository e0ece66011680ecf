import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "../../.servers/systemd");
const BOOT_MS_MAX = 60_000;
const POLL_MS = 100;

/** A small Debian with a real systemd, as debootstrap made it; undefined where there is none. */
export function machineRoot(): string | undefined {
  return existsSync(path.join(ROOT, "lib/systemd/systemd")) ? ROOT : undefined;
}

/** What a command in a machine printed, and how it ended. */
export type Ran = { readonly code: number; readonly out: string };

/** A booted machine. */
export type Machine = {
  readonly run: (command: readonly string[]) => Promise<Ran>;
  /** As a power cut: nothing is told, nothing is written any more. */
  readonly cutPower: () => Promise<void>;
};

/** Boots a machine with a root folder of its own; the folders are seen in it under their paths. */
export async function boot(root: string, folders: readonly string[]): Promise<Machine> {
  const binds = folders.map((folder) => `--bind-ro=${folder}`);
  const options = ["--boot", "--register=no", "--keep-unit", "--console=pipe", "--quiet"];
  const nspawn = spawn("systemd-nspawn", ["-D", root, ...options, ...binds], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const leader = await leaderOf(nspawn);
  const run = (command: readonly string[]): Promise<Ran> => runIn(leader, command);
  const deadline = performance.now() + BOOT_MS_MAX;
  for (;;) {
    const { out } = await run(["systemctl", "is-system-running"]);
    if (/^(running|degraded)/.test(out)) break;
    if (performance.now() > deadline) throw new Error(`the machine does not boot: ${out}`);
    await sleep(POLL_MS);
  }
  const cutPower = async (): Promise<void> => {
    const gone = once(nspawn, "exit");
    // The first process of the machine's namespace: the kernel ends all others with it.
    process.kill(leader, "SIGKILL");
    await gone;
  };
  return { run, cutPower };
}

async function leaderOf(nspawn: ChildProcess): Promise<number> {
  const file = `/proc/${nspawn.pid}/task/${nspawn.pid}/children`;
  for (let tries = 0; tries < 100; tries++) {
    await sleep(POLL_MS);
    if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended with ${nspawn.exitCode}`);
    const [child] = readFileSync(file, "utf8").trim().split(" ");
    if (child !== undefined && child !== "") return Number(child);
  }
  throw new Error("systemd-nspawn has started nothing");
}

async function runIn(leader: number, command: readonly string[]): Promise<Ran> {
  const args = ["-t", String(leader), "-m", "-u", "-i", "-n", "-p", "--", ...command];
  try {
    const { stdout, stderr } = await promisify(execFile)("nsenter", args, {
      maxBuffer: 16 * 1024 * 1024,
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" },
    });
    return { code: 0, out: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? 1, out: `${stdout ?? ""}${stderr ?? ""}` };
  }
}
