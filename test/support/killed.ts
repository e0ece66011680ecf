import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const bin = path.resolve(import.meta.dirname, "../../bin/lastgood.js");

/** Runs a real lastgood, and ends it by SIGKILL after so long; its exit code. */
export async function lastgood(
  folder: string,
  args: string[],
  killAfterMs?: number,
): Promise<number | null> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: "ignore" });
  const ended = once(child, "close") as Promise<[number | null]>;
  if (killAfterMs !== undefined) {
    await Promise.race([ended, sleep(killAfterMs)]);
    child.kill("SIGKILL");
  }
  return (await ended)[0];
}
