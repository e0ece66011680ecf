import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { translateDiskError } from "../base/disk-errors.ts";
import { writeFileDurable } from "../base/fs.ts";
import type { Clock } from "../base/clock.ts";
import { type HostFacts, isSameProcess, pidNamespace, processStart } from "../base/host.ts";
import type { LockLedger } from "../repository/repository.ts";

/** So old a lock has not been refreshed four times; restic takes such a one for dead, too. */
const DEAD_AFTER_MS = 30 * 60_000;

type Owner = {
  readonly pid: number;
  readonly start: string;
  /** Process ids mean something only within their namespace: a container has its own. */
  readonly namespace: string;
  readonly at: string;
};

/**
 * Keeps in the state folder which repository locks are ours, a file each, with the process that
 * took it. So a lock that a crash left never blocks us, and another machine's is never touched.
 */
export function folderLedger(folder: string, { pid }: HostFacts, clock: Clock): LockLedger {
  return {
    async remember(id) {
      const owner: Owner = {
        pid,
        start: processStart(pid),
        namespace: pidNamespace(),
        at: clock.now().toISOString(),
      };
      const bytes = Buffer.from(JSON.stringify(owner));
      // Where that cannot be written, what a crash leaves is only waited for as for another machine's.
      await mkdir(folder, { recursive: true, mode: 0o700 })
        .then(() => writeFileDurable(path.join(folder, id), bytes, "replace"))
        .catch(ofDisk);
    },
    forget: (id) => rm(path.join(folder, id), { force: true }).catch(ofDisk),
    async abandoned() {
      const ids = await readdir(folder).catch(() => []);
      const gone: string[] = [];
      for (const id of ids.filter((name) => /^[0-9a-f]{64}$/.test(name))) {
        const owner = parseOwner(await readFile(path.join(folder, id), "utf8").catch(() => ""));
        if (owner === undefined || isDead(owner, clock.now())) gone.push(id);
      }
      return gone;
    },
  };
}

/** Anything but what a disk says no with is thrown again. */
function ofDisk(error: unknown): void {
  if (translateDiskError(error, "") === error) throw error;
}

function isDead({ pid, start, namespace, at }: Owner, now: Date): boolean {
  const isKnowable = start !== "" && namespace === pidNamespace();
  return isKnowable ? !isSameProcess(pid, start) : now.getTime() - Date.parse(at) > DEAD_AFTER_MS;
}

function parseOwner(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    // Written by a process that died over it.
    return undefined;
  }
}
