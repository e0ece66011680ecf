import { copyFile, lstat } from "node:fs/promises";
import path from "node:path";
import { type Effects, realEffects } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import { makeFolderDurable } from "../../base/fs.ts";
import {
  discardVersion,
  finishStaging,
  isReady,
  placeOf,
  readyFolder,
  stagingFolder,
  switchVersions,
} from "../../slots/place.ts";
import type { Slot } from "../../slots/slot.ts";
import { releaseFolder } from "./layout.ts";
import { sha256Of } from "./manifest.ts";

/** A file of a release that has to lie elsewhere too, such as /usr/local/bin/device-api. */
export type Outside = {
  readonly slot: string;
  readonly path: string;
  /** Where it lies in each release. */
  readonly inRelease: string;
};

/** Such a file as a slot of its own: staged out of the release, switched with it, and put back. */
export function outsideSlot(
  root: string,
  { path: file, inRelease }: Outside,
  effects: Effects = realEffects,
): Slot {
  const place = placeOf(file, []);
  return {
    async stage(version, run) {
      if (await isReady(place, version)) return;
      const folder = stagingFolder(place, version);
      await makeFolderDurable(path.dirname(file), 0o755);
      await effects.removeTree(folder);
      await effects.makeFolder(folder);
      const source = path.join(releaseFolder(root, version), inRelease);
      await copyFile(source, path.join(folder, path.basename(file)));
      await effects.syncTree(folder, run);
      await finishStaging(place, version, effects);
    },
    async verify(version, run) {
      // What was there before a release is in none.
      if (version.startsWith("before-")) return;
      const source = path.join(releaseFolder(root, version), inRelease);
      const staged = path.join(readyFolder(place, version), path.basename(file));
      const [mode, stagedMode] = [(await lstat(source)).mode, (await lstat(staged)).mode];
      const isSame = (await sha256Of(source, run)) === (await sha256Of(staged, run));
      if (isSame && mode === stagedMode) return;
      throw new AppError(
        "UNHEALTHY",
        `verify ${file} of ${version}: it is not what the release has`,
      );
    },
    activate: (version, displaced) => switchVersions(place, version, displaced, effects),
    discard: (version) => discardVersion(place, version, effects),
  };
}
