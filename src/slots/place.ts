import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import path from "node:path";
import { AppError, isNothing, systemCode } from "../base/errors.ts";
import { type Effects, namesIn } from "../base/effects.ts";
import { mountPoints } from "../base/mounts.ts";
import type { Version } from "./slot.ts";

/** Where a slot of files lies: its live names in one folder, its other versions in another. */
export type Place = {
  /** The folder in which the live names are. */
  readonly liveFolder: string;
  /** Holds a folder for each version that lies ready; on the same file system. */
  readonly versionsFolder: string;
  /** Which names of the live folder belong to the slot. */
  readonly isLive: (name: string) => boolean;
  /** The order in which names leave and enter; what an application looks for first enters last. */
  readonly order: (a: string, b: string) => number;
};

/** Beside the live one, and in a folder that is a mount point, versions lie in such a folder. */
const VERSIONS_IN_MOUNT = ".lastgood";

/** What lies in a mount point and is not its content: our versions, and the file system's own. */
export const NOT_CONTENT: ReadonlySet<string> = new Set([VERSIONS_IN_MOUNT, "lost+found"]);

/** The place of a file and its companions (`-wal`, `-shm`), or of a folder. */
export function placeOf(file: string, companions: readonly string[]): Place {
  const liveFolder = path.dirname(file);
  const main = path.basename(file);
  const names = new Set([main, ...companions.map((suffix) => main + suffix)]);
  return {
    liveFolder,
    versionsFolder: path.join(liveFolder, `.${main}.lastgood`),
    isLive: (name) => names.has(name),
    order: (a, b) => Number(a === main) - Number(b === main),
  };
}

/** The place of a folder that can be neither renamed nor removed, since it is a mount point. */
export function placeInside(folder: string): Place {
  return {
    liveFolder: folder,
    versionsFolder: path.join(folder, VERSIONS_IN_MOUNT),
    isLive: (name) => !NOT_CONTENT.has(name),
    order: () => 0,
  };
}

const PART = "part-";

/**
 * The place of a file or folder inside a folder that is a slot itself. Its versions lie with those
 * of that folder, where no capture sees them.
 */
export async function placeWithin(folder: string, file: string): Promise<Place> {
  const outer = (await isMountPoint(folder)) ? placeInside(folder) : placeOf(folder, []);
  const name = createHash("sha256").update(file).digest("hex").slice(0, 16);
  return { ...placeOf(file, []), versionsFolder: path.join(outer.versionsFolder, PART + name) };
}

/**
 * Whether a folder is a mount point: the kernel lists it, or it lies on another device than the one
 * above it. The path has to be without links.
 */
export async function isMountPoint(folder: string): Promise<boolean> {
  if ((await mountPoints()).has(folder)) return true;
  try {
    const [self, above] = await Promise.all([lstat(folder), lstat(path.dirname(folder))]);
    return self.isDirectory() && (self.dev !== above.dev || self.ino === above.ino);
  } catch (error) {
    if (isNothing(error)) return false;
    throw error;
  }
}

const LEAVING = "~leaving";
const ENTERING = "~entering";
const STAGING = "~staging";

export function readyFolder(place: Place, version: Version): string {
  return path.join(place.versionsFolder, `=${version}`);
}

/** Where a version is put together; it is ready only once it has its own name. */
export function stagingFolder(place: Place, version: Version): string {
  return readyFolder(place, version) + STAGING;
}

/** Gives what was staged its name. Everything in it has to be synced. */
export async function finishStaging(
  place: Place,
  version: Version,
  effects: Effects,
): Promise<void> {
  await effects.rename(stagingFolder(place, version), readyFolder(place, version));
}

export async function isReady(place: Place, version: Version): Promise<boolean> {
  return (await namesIn(place.versionsFolder)).includes(`=${version}`);
}

/** The folders of all versions that lie ready, those of parts too, each with its version. */
export async function readyFolders({ versionsFolder }: Place): Promise<[string, string][]> {
  const names = await namesIn(versionsFolder);
  const parts = names
    .filter((name) => name.startsWith(PART))
    .map((name) => path.join(versionsFolder, name));
  const folders = await Promise.all(
    [versionsFolder, ...parts].map(async (folder) =>
      (await namesIn(folder)).map((name) => path.join(folder, name)),
    ),
  );
  return folders.flat().flatMap((folder): [string, string][] => {
    const [, version] = /^=([^~]+)$/.exec(path.basename(folder)) ?? [];
    return version === undefined ? [] : [[version, folder]];
  });
}

/**
 * Makes a ready version live, and what is live ready as `displaced`. The application must not run.
 *
 * Several renames are needed, and a crash may come between any two. So a version's folder says by
 * its name what is going on: `=v` it is ready; `=v~leaving` some of its names are still live;
 * `=v~entering` some are live already. Whatever a crash left is settled first.
 */
export async function switchVersions(
  place: Place,
  version: Version,
  displaced: Version,
  effects: Effects,
): Promise<void> {
  await settle(place, effects);
  if (!(await isReady(place, version))) return;
  await effects.makeFolder(place.liveFolder);
  if (!(await isReady(place, displaced))) await leave(place, displaced, effects);
  await enter(place, version, effects);
}

/** Ends what a crash interrupted: what was leaving is live again, what was entering is ready. */
export async function settle(place: Place, effects: Effects): Promise<void> {
  for (const name of await namesIn(place.versionsFolder)) {
    const folder = path.join(place.versionsFolder, name);
    if (name.endsWith(LEAVING)) {
      await moveAll(await namesIn(folder), folder, place.liveFolder, place, effects);
      await effects.removeEmptyFolder(folder);
    } else if (name.endsWith(ENTERING)) {
      await moveAll(await liveNames(place), place.liveFolder, folder, place, effects);
      await effects.rename(folder, folder.slice(0, -ENTERING.length));
    }
  }
}

async function leave(place: Place, displaced: Version, effects: Effects): Promise<void> {
  const folder = readyFolder(place, displaced);
  await effects.makeFolder(folder + LEAVING);
  // The main file first: without it the application does not start on what is left.
  const names = (await liveNames(place)).toReversed();
  await moveAll(names, place.liveFolder, folder + LEAVING, place, effects, "as given");
  await effects.rename(folder + LEAVING, folder);
}

async function enter(place: Place, version: Version, effects: Effects): Promise<void> {
  const folder = readyFolder(place, version);
  await effects.rename(folder, folder + ENTERING);
  const names = await namesIn(folder + ENTERING);
  await moveAll(names, folder + ENTERING, place.liveFolder, place, effects);
  await effects.removeEmptyFolder(folder + ENTERING);
}

async function moveAll(
  names: readonly string[],
  from: string,
  to: string,
  place: Place,
  effects: Effects,
  order: "main last" | "as given" = "main last",
): Promise<void> {
  const sorted = order === "main last" ? names.toSorted(place.order) : names;
  for (const name of sorted) {
    await effects.rename(path.join(from, name), path.join(to, name)).catch((error: unknown) => {
      throw translate(error, path.join(from, name));
    });
  }
}

async function liveNames(place: Place): Promise<string[]> {
  const names = await namesIn(place.liveFolder);
  return names.filter((name) => place.isLive(name)).toSorted(place.order);
}

function translate(error: unknown, file: string): unknown {
  switch (systemCode(error)) {
    case "EBUSY":
    case "EXDEV":
      return new AppError("REFUSED", `switch ${file}: it is a mount point of its own`, {
        hint: "Mount the folder it lies in, not the file itself.",
        cause: error,
      });
    default:
      return error;
  }
}

/** Removes a version that is not live, with all that was begun of it. */
export async function discardVersion(
  place: Place,
  version: Version,
  effects: Effects,
): Promise<void> {
  await effects.removeTree(stagingFolder(place, version));
  const folder = readyFolder(place, version);
  // Renamed first: half a version must not look like a whole one.
  if (await isReady(place, version)) await effects.rename(folder, folder + STAGING);
  await effects.removeTree(folder + STAGING);
  await removeIfEmpty(place.versionsFolder, effects);
  // Of a part: with it goes the folder of the slot around it, when nothing else lies there.
  const above = path.dirname(place.versionsFolder);
  if (above.endsWith(VERSIONS_IN_MOUNT)) await removeIfEmpty(above, effects);
}

async function removeIfEmpty(folder: string, effects: Effects): Promise<void> {
  if ((await namesIn(folder)).length === 0) await effects.removeTree(folder);
}
