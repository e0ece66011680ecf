import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const bin = path.resolve(import.meta.dirname, "../../bin/lastgood.js");

/** Runs a real lastgood, and ends it by SIGKILL after so long, or so long after a file is there; its exit code. */
export async function lastgood(
  folder: string,
  args: string[],
  killAfterMs?: number,
  killOnceThere?: string,
  afterMs = 0,
): Promise<number | null> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: "ignore" });
  const ended = once(child, "close") as Promise<[number | null]>;
  if (killAfterMs !== undefined) {
    await Promise.race([ended, sleep(killAfterMs), there(killOnceThere)]);
    await Promise.race([ended, sleep(afterMs)]);
    child.kill("SIGKILL");
  }
  return (await ended)[0];
}

async function there(file: string | undefined): Promise<void> {
  const isThere = (): boolean => file !== undefined && existsSync(file);
  while (!isThere()) await sleep(20, undefined, { ref: false });
}

/** Starts a command line, by a Node with these options, and returns once it says that it begins a step. */
export async function startUntil(
  folder: string,
  args: string[],
  step: string,
  options: readonly string[] = [],
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...options, bin, ...args, "--json"], { cwd: folder });
  for await (const line of createInterface(child.stdout)) {
    if (String((JSON.parse(line) as { readonly step?: unknown })["step"]).startsWith(step))
      return child;
  }
  throw new Error(`${args.join(" ")}: it never came to ${step}`);
}
