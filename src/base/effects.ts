import { chmod, readdir, rename, rm, rmdir, symlink } from "node:fs/promises";
import { isNothing } from "./errors.ts";
import { makeFolderDurable, syncDirectory, temporaryIn } from "./fs.ts";
import type { Run } from "./events.ts";
import { fromName, toPath } from "./raw-names.ts";
import { syncTree } from "./sync-tree.ts";

/**
 * The changes to a file system out of which switches are made. They come as an argument, so that a
 * test can let the machine die before and after each of them.
 */
export type Effects = {
  readonly rename: (from: string, to: string) => Promise<void>;
  /** Makes the link lead there, whether there was one or not; with one rename(2). */
  readonly pointLink: (link: string, target: string) => Promise<void>;
  readonly makeFolder: (folder: string) => Promise<void>;
  readonly removeEmptyFolder: (folder: string) => Promise<void>;
  readonly removeTree: (folder: string) => Promise<void>;
  /** What lies in the folder survives a crash once this returns. */
  readonly syncTree: (folder: string, run: Run) => Promise<void>;
};

/** Names in a folder; none when there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(toPath(folder), { encoding: "buffer" })).map(fromName);
  } catch (error) {
    if (isNothing(error)) return [];
    throw error;
  }
}

/** Each is durable when it returns. */
export const realEffects: Effects = {
  syncTree,
  async rename(from, to) {
    await rename(toPath(from), toPath(to));
    await syncDirectory(folderOf(to));
    if (folderOf(from) !== folderOf(to)) await syncDirectory(folderOf(from));
  },
  async pointLink(link, target) {
    // rename(2) replaces the link itself. `mv` would move the new one into what the old leads to.
    const temporary = temporaryIn(folderOf(link));
    await symlink(target, temporary);
    await rename(temporary, link);
    await syncDirectory(folderOf(link));
  },
  async makeFolder(folder) {
    // What is above it belongs to the application; nobody else looks into what is set aside.
    await makeFolderDurable(folderOf(folder), 0o755);
    await makeFolderDurable(folder);
  },
  async removeEmptyFolder(folder) {
    await rmdir(folder);
    await syncDirectory(folderOf(folder));
  },
  async removeTree(folder) {
    const options = { recursive: true, force: true };
    await rm(toPath(folder), options).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
      // Who is not root cannot remove from a folder that may not be written to.
      await makeWritable(toPath(folder));
      await rm(toPath(folder), options);
    });
  },
};

async function makeWritable(folder: string | Buffer): Promise<void> {
  await chmod(folder, 0o700);
  const entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    await makeWritable(Buffer.concat([Buffer.from(folder), Buffer.from("/"), entry.name]));
  }
}

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/")) || "/";
}
