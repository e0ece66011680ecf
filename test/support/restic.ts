import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export const PASSWORD = "correct horse";

/** The distribution's restic: undefined where it is not installed. */
export function resticVersion(): string | undefined {
  try {
    return execFileSync("restic", ["version"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

/** Runs restic on a repository and returns what it prints. Throws with its words when it fails. */
export async function restic(repository: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, RESTIC_PASSWORD: PASSWORD, TZ: "UTC" };
  const all = ["-r", repository, "--no-cache", ...args];
  const { stdout, stderr } = await run("restic", all, { env, maxBuffer: 256 * 1024 * 1024 });
  return stdout + stderr;
}

/** What restic prints as JSON lines; the last one. */
export async function resticJson(repository: string, ...args: string[]): Promise<unknown> {
  const text = await restic(repository, "--json", ...args);
  return JSON.parse(text.trim().split("\n").at(-1)) as unknown;
}
