import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hostFacts, isSameProcess, pidNamespace, processStart } from "./host.ts";
import { environmentOf, isZombie, parentOf, sessionOf, signalAll } from "./processes.ts";

const MARK = "LASTGOOD_CHILD_OF";

/**
 * What a program has in its environment that must not outlive us: who started it. It stands there from the
 * program's first moment, and what it starts has it too.
 */
export function childMark(): Record<string, string> {
  const { pid } = hostFacts();
  return { [MARK]: [pidNamespace(), pid, processStart(pid), sessionOf(pid)].join(" ") };
}

const ENDS_MS_MAX = 5000;
const POLL_MS = 50;

/**
 * Ends programs whose lastgood is gone and that are still in its session; a service that one of them
 * started has one of its own, and stays: after a crash one may still change data that are just being
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
  const above = ancestors();
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const entry = environmentOf(pid)
        .split("\0")
        .find((one) => one.startsWith(`${MARK}=`));
      if (entry === undefined) return false;
      const [namespace, parent, start = "", session] = entry.slice(MARK.length + 1).split(" ");
      // Who lives in another namespace cannot be asked for.
      if (namespace !== here || namespace === "") return false;
      if (above.has(Number(pid)) || String(sessionOf(Number(pid))) !== session) return false;
      return !isSameProcess(Number(parent), start) && !isZombie(pid);
    })
    .map(Number);
}

/** We ourselves, and all that we were started by. */
function ancestors(): ReadonlySet<number> {
  const found = new Set<number>();
  for (let pid = hostFacts().pid; pid > 0 && !found.has(pid); pid = parentOf(pid)) found.add(pid);
  return found;
}
