import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { syncDirectory } from "./fs.ts";

/**
 * The changes to a file system out of which switches are made. They come as an argument, so that a
 * test can let the machine die before and after each of them.
 */
export type Effects = {
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly makeFolder: (folder: string) => Promise<void>;
  readonly removeEmptyFolder: (folder: string) => Promise<void>;
  readonly removeTree: (folder: string) => Promise<void>;
};

/** Names in a folder; none when there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Each is durable when it returns. */
export const realEffects: Effects = {
  async rename(from, to) {
    await rename(from, to);
    await syncDirectory(folderOf(to));
    if (folderOf(from) !== folderOf(to)) await syncDirectory(folderOf(from));
  },
  async makeFolder(folder) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await syncDirectory(folderOf(folder));
  },
  async removeEmptyFolder(folder) {
    await rmdir(folder);
    await syncDirectory(folderOf(folder));
  },
  async removeTree(folder) {
    await rm(folder, { recursive: true, force: true });
  },
};

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/")) || "/";
}
