import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

export type Measured = { readonly ms: number; readonly peakBytes: number };

const SAMPLE_MS = 20;

/** Runs a program to its end; peak is the largest sum of resident memory of it and its children. */
export async function measure(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Measured> {
  const [program, ...args] = command;
  // Nobody pays for what the one before has left to be written.
  execFileSync("sync");
  const started = performance.now();
  const child = spawn(program!, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (data: Buffer) => (words += data.toString()));
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, treeBytes(child.pid!));
  }, SAMPLE_MS);
  const [code] = (await once(child, "close")) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`${command.join(" ")}: exit code ${code}: ${words}`);
  return { ms: performance.now() - started, peakBytes };
}

function treeBytes(root: number): number {
  const pids = [
    root,
    ...readdirSync(`/proc`).filter((name) => /^\d+$/.test(name) && parentOf(name) === root),
  ];
  return pids.reduce<number>((sum, pid) => sum + residentBytes(String(pid)), 0);
}

function parentOf(pid: string): number {
  return Number(/PPid:\s+(\d+)/.exec(readStatus(pid))?.[1]);
}

function residentBytes(pid: string): number {
  // The kernel keeps the highest value itself, so that no sample can miss it.
  return Number(/VmHWM:\s+(\d+)/.exec(readStatus(pid))?.[1] ?? 0) * 1024;
}

function readStatus(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    // It has ended.
    return "";
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
