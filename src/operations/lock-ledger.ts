import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { writeFileDurable } from "../base/fs.ts";
import { type HostFacts, isSameProcess, processStart } from "../base/host.ts";
import type { LockLedger } from "../repository/repository.ts";

/**
 * Keeps in the state folder which repository locks are ours, a file each, with the process that
 * took it. So a lock that a crash left never blocks us, and another machine's is never touched.
 */
export function folderLedger(folder: string, { pid }: HostFacts): LockLedger {
  return {
    async remember(id) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const owner = JSON.stringify({ pid, start: processStart(pid) });
      await writeFileDurable(path.join(folder, id), Buffer.from(owner), "replace");
    },
    forget: (id) => rm(path.join(folder, id), { force: true }),
    async abandoned() {
      const ids = await readdir(folder).catch(() => []);
      const gone: string[] = [];
      for (const id of ids.filter((name) => /^[0-9a-f]{64}$/.test(name))) {
        const owner = parseOwner(await readFile(path.join(folder, id), "utf8").catch(() => ""));
        if (owner === undefined || !isSameProcess(owner.pid, owner.start)) gone.push(id);
      }
      return gone;
    },
  };
}

function parseOwner(text: string): { pid: number; start: string } | undefined {
  try {
    return JSON.parse(text) as { pid: number; start: string };
  } catch {
    // Written by a process that died over it.
    return undefined;
  }
}
