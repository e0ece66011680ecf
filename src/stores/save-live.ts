import path from "node:path";
import { type Effects, namesIn } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import { execOk } from "../base/exec.ts";
import { AppError } from "../base/errors.ts";
import { finishStaging, isReady, type Place, readyFolder, stagingFolder } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import type { FileStore } from "./store.ts";

const COPY_MS_MAX = 60 * 60_000;

/**
 * Lays a copy of what is live ready under a name: as it is, with `-wal` and `-shm`, owners, times
 * and attributes, sound or not. The application must not run. `cp -a` shares the blocks where the
 * file system can.
 */
export async function saveLive(
  store: FileStore,
  version: Version,
  effects: Effects,
  run: Run,
): Promise<void> {
  const place = await store.place();
  if (await isReady(place, version)) return;
  const names = (await namesIn(place.liveFolder)).filter((name) => place.isLive(name));
  await copyTo(place, version, place.liveFolder, names, effects, run);
}

/** Lays a copy of another version ready, which stays as it is. NOT_FOUND. */
export async function copyVersion(
  store: FileStore,
  from: Version,
  version: Version,
  effects: Effects,
  run: Run,
): Promise<void> {
  const place = await store.place();
  if (await isReady(place, version)) return;
  if (!(await isReady(place, from))) {
    throw new AppError("NOT_FOUND", `copy ${store.name} ${from}: it is not there any more`);
  }
  const folder = readyFolder(place, from);
  await copyTo(place, version, folder, await namesIn(folder), effects, run);
}

async function copyTo(
  place: Place,
  version: Version,
  from: string,
  names: readonly string[],
  effects: Effects,
  run: Run,
): Promise<void> {
  const folder = stagingFolder(place, version);
  await effects.removeTree(folder);
  await effects.makeFolder(folder);
  for (const name of names) {
    const [source, copy] = [path.join(from, name), path.join(folder, name)];
    await execOk(["cp", "-a", "--", source, copy], { timeoutMs: COPY_MS_MAX }, run);
  }
  await effects.syncTree(folder, run);
  await finishStaging(place, version, effects);
}
