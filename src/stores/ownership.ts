import { chmod, lchown, lstat } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../base/effects.ts";
import { toPath } from "../base/raw-names.ts";
import type { Ownership } from "./store.ts";

/** Gives a file the owner and mode that the configuration names. */
export async function own(file: string, { uid, gid, mode }: Ownership): Promise<void> {
  if (uid !== undefined || gid !== undefined) {
    const now = await lstat(toPath(file));
    await lchown(toPath(file), uid ?? now.uid, gid ?? now.gid);
  }
  // After the owner: changing that clears setuid.
  if (mode !== undefined) await chmod(file, mode);
}

/** Gives a folder with all that is in it an owner; the mode is for the folder alone. */
export async function ownTree(folder: string, ownership: Ownership): Promise<void> {
  const { uid, gid } = ownership;
  if (uid !== undefined || gid !== undefined) {
    for (const name of await namesIn(folder)) {
      const file = path.join(folder, name);
      const isFolder = (await lstat(toPath(file))).isDirectory();
      await (isFolder ? ownTree(file, { uid, gid }) : own(file, { uid, gid }));
    }
  }
  await own(folder, ownership);
}
