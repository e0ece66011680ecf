import path from "node:path";
import { folderBackend } from "../../src/backends/folder.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Run } from "../../src/base/events.ts";
import { hostFacts } from "../../src/base/host.ts";
import { damageInMemory } from "../../src/repository/damage.ts";
import { noLedger } from "../../src/repository/lock.ts";
import type { OpenOptions } from "../../src/repository/open.ts";
import { openThreads } from "../../src/repository/workers/threads.ts";
import {
  createRepository,
  openRepository,
  type Repository,
  type Snapshot,
} from "../../src/repository/repository.ts";
import { PASSWORD } from "./restic.ts";

/** Cheap to open: for tests only. */
export const CHEAP = { N: 1024, r: 8, p: 1 };

/** With which a core is opened apart from a repository. Of locks and damage it remembers nothing for others. */
export function coreOptions(): OpenOptions {
  return {
    clock: systemClock,
    host: hostFacts(),
    ledger: noLedger,
    damage: damageInMemory(),
    threads: openThreads(),
  };
}

export async function newRepository(folder: string, run: Run): Promise<Repository> {
  await createRepository(folderBackend(folder), PASSWORD, { cost: CHEAP }, run);
  return await openRepository(folderBackend(folder), PASSWORD, {}, run);
}

/** Backs a folder up under its own name, as restic does with a relative path. */
export async function backUp(
  repository: Repository,
  folder: string,
  run: Run,
  parent?: Snapshot,
): Promise<{ snapshot: Snapshot; filesChanged: number; bytesAdded: number; problems: number }> {
  return await repository.write(parent, run, async (writer) => {
    const summary = await writer.tree(path.basename(folder), folder, {});
    const { snapshot, added } = await writer.commit({
      time: new Date(),
      paths: [folder],
      hostname: "test",
      username: "root",
      tags: [],
    });
    return {
      snapshot,
      filesChanged: summary.filesNew + summary.filesChanged,
      bytesAdded: added.bytes,
      problems: summary.problems.length,
    };
  });
}
