import { stat, statfs } from "node:fs/promises";
import path from "node:path";
import { formatBytes } from "../base/format-bytes.ts";
import { isNothing } from "../base/errors.ts";

/** What one file system has to take. */
export type SpaceNeed = {
  readonly folder: string;
  readonly bytesNeeded: number;
  readonly bytesFree: number;
  readonly enough: boolean;
};

/** So much stays free, since logs and others write too. */
const RESERVE_BYTES = 32 * 1024 * 1024;
const RESERVE_FILES = 100;

/** How much is missing, for people. */
export function roomInWords({ bytesNeeded, bytesFree }: SpaceNeed): string {
  const [needed, free, kept] = [bytesNeeded, bytesFree, RESERVE_BYTES].map(formatBytes);
  return `${needed} needed (${kept} of it stay free for others), ${free} free`;
}

/** Adds up by file system what is to be staged, and compares it with what is free. */
export async function needSpace(
  staged: readonly { readonly path: string; readonly bytes: number; readonly files: number }[],
): Promise<SpaceNeed[]> {
  const byDevice = new Map<number, { folder: string; bytes: number; files: number }>();
  for (const { path: file, bytes, files } of staged) {
    const folder = await nearestFolder(path.dirname(file));
    const { dev } = await stat(folder);
    const sum = byDevice.get(dev) ?? { folder, bytes: 0, files: 0 };
    byDevice.set(dev, { folder, bytes: sum.bytes + bytes, files: sum.files + files });
  }
  return await Promise.all(
    [...byDevice.values()].map(async ({ folder, bytes, files }) => {
      const { bavail, bsize, ffree } = await statfs(folder);
      const bytesNeeded = bytes + RESERVE_BYTES;
      const bytesFree = bavail * bsize;
      // Some file systems, such as btrfs, count no inodes.
      const inodesSuffice = ffree === 0 || ffree >= files + RESERVE_FILES;
      return { folder, bytesNeeded, bytesFree, enough: bytesFree >= bytesNeeded && inodesSuffice };
    }),
  );
}

async function nearestFolder(folder: string): Promise<string> {
  try {
    await stat(folder);
    return folder;
  } catch (error) {
    if (!isNothing(error) || folder === path.dirname(folder)) throw error;
    return await nearestFolder(path.dirname(folder));
  }
}
