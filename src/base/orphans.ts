import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hostFacts, isSameProcess, pidNamespace, processStart } from "./host.ts";
import { environmentOf, isZombie, signalAll } from "./processes.ts";

const MARK = "LASTGOOD_CHILD_OF";

/**
 * What a program has in its environment that must not outlive us: who started it. It stands there from the
 * program's first moment, and what it starts has it too.
 */
export function childMark(): Record<string, string> {
  const { pid } = hostFacts();
  return { [MARK]: [pidNamespace(), pid, processStart(pid)].join(" ") };
}

const ENDS_MS_MAX = 5000;
const POLL_MS = 50;

/**
 * Ends programs whose lastgood is gone: after a crash one may still change data that are just being
 * put back. Returns how many there were.
 */
export async function endOrphans(): Promise<number> {
  const found = orphans();
  signalAll(found, "SIGTERM");
  const deadline = performance.now() + ENDS_MS_MAX;
  while (orphans().length > 0) {
    if (performance.now() > deadline) signalAll(orphans(), "SIGKILL");
    await sleep(POLL_MS);
  }
  return found.length;
}

function orphans(): number[] {
  const here = pidNamespace();
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const entry = environmentOf(pid)
        .split("\0")
        .find((one) => one.startsWith(`${MARK}=`));
      if (entry === undefined) return false;
      const [namespace, parent, start = ""] = entry.slice(MARK.length + 1).split(" ");
      // Who lives in another namespace cannot be asked for.
      if (namespace !== here || namespace === "") return false;
      return !isSameProcess(Number(parent), start) && !isZombie(pid);
    })
    .map(Number);
}
