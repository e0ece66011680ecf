import { chmod, chown, copyFile, lstat, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere } from "../../base/errors.ts";
import type { Place } from "../../slots/place.ts";

/** What is seen where in the place of a drill. Later ones lie over earlier ones. */
export type Mount =
  /** Can be written to; nothing of it reaches what is live. */
  | { readonly kind: "own"; readonly at: string; readonly from: string }
  /** What is live, to be read only. */
  | { readonly kind: "read"; readonly at: string; readonly from: string }
  | { readonly kind: "link"; readonly at: string; readonly to: string };

/** A folder that is made anew for the drill, with what was restored in it. */
export type Composed = {
  /** The folder as the application knows it, as far as it is there now. */
  readonly at: string;
  readonly from: string;
  /** Names in it that are the stores' own: what is live of them must not be seen. */
  readonly isOwn: (name: string) => boolean;
};

/** Each becomes a mount of its own, or a copy. */
const ENTRIES_MAX = 500;
/** Lock files, process ids and the like: whoever opens them must not get those of what is live. */
const COPIED_BYTES_MAX = 1024 * 1024;

/**
 * A folder with restored files in it, in which everything else is seen as it is live: code and
 * configuration, to be read only; small files are copies. REFUSED for one with too much beside the data.
 */
export async function composedMounts({ at, from, isOwn }: Composed): Promise<Mount[]> {
  if (at === path.parse(at).root) {
    throw new AppError("REFUSED", `show ${at}: the folder of the data is gone from this machine`, {
      hint: "Make it again, empty, and drills can start the application.",
    });
  }
  await ownAs(at, from);
  const names = (await readdir(at)).filter((name) => !isOwn(name));
  if (names.length > ENTRIES_MAX) {
    throw new AppError("REFUSED", `show ${at}: it has ${names.length} entries beside the data`, {
      hint: "Keep the data in a folder of their own, and drills can start the application.",
    });
  }
  const mounts: Mount[] = [{ kind: "own", at, from }];
  for (const name of names) {
    const file = path.join(at, name);
    const found = await lstat(file).catch(nothingThere);
    if (found?.isSymbolicLink() === true) {
      mounts.push({ kind: "link", at: file, to: await readlink(file) });
    } else if (found?.isFile() === true && found.size <= COPIED_BYTES_MAX) {
      await copyFile(file, path.join(from, name)).catch(nothingThere);
      await ownAs(file, path.join(from, name));
    } else if (found?.isFile() === true || found?.isDirectory() === true) {
      mounts.push({ kind: "read", at: file, from: file });
    }
  }
  return mounts;
}

/** The application may write where it may write otherwise. What is gone meanwhile is left out. */
export async function ownAs(live: string, own: string): Promise<void> {
  const found = await lstat(live).catch(nothingThere);
  if (found === undefined) return;
  await chown(own, found.uid, found.gid).catch(() => {});
  await chmod(own, found.mode & 0o7777).catch(() => {});
}

/** The nearest folder that is there: a mount needs a place. */
export async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = path.dirname(at)) {
    const found = await lstat(at).catch(nothingThere);
    if (found?.isDirectory() === true || at === path.dirname(at)) return at;
  }
}

/** Whether a name in a store's folder is the store's, or what lastgood lays beside it. */
export function isOwnName({ isLive, versionsFolder }: Place, name: string): boolean {
  return isLive(name) || name === path.basename(versionsFolder);
}

/** What every place of a drill begins with: the machine to be read only, and nothing of who runs on it. */
export const HIDDEN = ["/run", "/tmp", "/var/tmp", "/dev/shm"] as const;

export function isBelow(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

export function isHidden(file: string): boolean {
  return HIDDEN.some((folder) => isBelow(file, folder));
}
