import { setTimeout as sleep } from "node:timers/promises";
import type { Run } from "../base/events.ts";

const POLL_MS = 100;

/** Asks until the answer is yes; false when that takes too long. */
export async function waitUntil(
  ask: () => Promise<boolean>,
  timeoutMs: number,
  { signal }: Run,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await ask())) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS, undefined, { signal });
  }
  return true;
}
