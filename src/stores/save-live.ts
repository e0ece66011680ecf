import path from "node:path";
import { type Effects, namesIn } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import { execOk } from "../base/exec.ts";
import { syncTree } from "../base/sync-tree.ts";
import { finishStaging, isReady, stagingFolder } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import type { Store } from "./store.ts";

const COPY_MS_MAX = 60 * 60_000;

/**
 * Lays a copy of what is live ready under a name: as it is, with `-wal` and `-shm`, owners, times
 * and attributes, sound or not. The application must not run. `cp -a` shares the blocks where the
 * file system can.
 */
export async function saveLive(
  store: Store,
  version: Version,
  effects: Effects,
  run: Run,
): Promise<void> {
  const place = await store.place();
  if (await isReady(place, version)) return;
  const folder = stagingFolder(place, version);
  await effects.removeTree(folder);
  await effects.makeFolder(folder);
  const names = (await namesIn(place.liveFolder)).filter((name) => place.isLive(name));
  for (const name of names) {
    const from = path.join(place.liveFolder, name);
    await execOk(
      ["cp", "-a", "--", from, path.join(folder, name)],
      { timeoutMs: COPY_MS_MAX },
      run,
    );
  }
  await syncTree(folder, run);
  await finishStaging(place, version, effects);
}
