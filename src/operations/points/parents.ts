import { chmod, chown, lstat, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere, systemCode } from "../../base/errors.ts";
import { syncDirectory } from "../../base/fs.ts";
import { realPath } from "../../base/real-path.ts";

/** Whose a folder was, and who might enter it. */
export type FolderOwner = { readonly mode: number; readonly uid: number; readonly gid: number };

export type Parents = Readonly<Record<string, FolderOwner>>;

/** The folders above the given paths, as they are now: a new machine has none of them. */
export async function parentsOf(files: readonly string[]): Promise<Parents> {
  const parents: Record<string, FolderOwner> = {};
  for (const file of files) {
    for (let at = path.dirname(file); parents[at] === undefined; at = path.dirname(at)) {
      const found = await lstat(await realPath(at)).catch(() => undefined);
      if (found !== undefined) {
        parents[at] = { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid };
      }
      if (at === path.dirname(at)) break;
    }
  }
  return parents;
}

/**
 * Makes the folders above a path that are not there, as they were: an application that may not
 * enter them cannot use what is restored. What is there stays as it is.
 */
export async function makeParents(file: string, parents: Parents): Promise<void> {
  const folder = path.dirname(file);
  const there = await stat(folder).catch(nothingThere);
  if (there?.isDirectory() === false) {
    throw new AppError("REFUSED", `restore to ${file}: ${folder} is no folder`, {
      hint: "Something else lies where the folder was. Move it away first.",
    });
  }
  if (there !== undefined) return;
  await makeParents(folder, parents);
  const { mode, uid, gid } = parents[folder] ?? { mode: 0o755, uid: undefined, gid: undefined };
  await mkdir(folder).catch((error: unknown) => {
    if (systemCode(error) !== "EEXIST") throw error;
  });
  if (uid !== undefined && gid !== undefined) {
    // Only root may give folders away; whoever restores as another user owns what he makes.
    await chown(folder, uid, gid).catch((error: unknown) => {
      if (systemCode(error) !== "EPERM") throw error;
    });
  }
  await chmod(folder, mode);
  await syncDirectory(path.dirname(folder));
}
