import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import path from "node:path";
import type { Ownership } from "./store.ts";

/** Gives a file the owner and mode that the configuration names. */
export async function own(file: string, { uid, gid, mode }: Ownership): Promise<void> {
  if (uid !== undefined || gid !== undefined) {
    const now = await lstat(file);
    await lchown(file, uid ?? now.uid, gid ?? now.gid);
  }
  // After the owner: changing that clears setuid.
  if (mode !== undefined) await chmod(file, mode);
}

/** Gives a folder with all that is in it an owner; the mode is for the folder alone. */
export async function ownTree(folder: string, ownership: Ownership): Promise<void> {
  const { uid, gid } = ownership;
  if (uid !== undefined || gid !== undefined) {
    for (const entry of await readdir(folder, { recursive: true })) {
      await own(path.join(folder, entry), { uid, gid });
    }
  }
  await own(folder, ownership);
}
