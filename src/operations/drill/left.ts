import { existsSync } from "node:fs";
import { chmod, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { systemCode } from "../../base/errors.ts";
import { lockComponents } from "../operation-lock.ts";
import type { System } from "../system.ts";

/** One drill at a time. */
export const DRILL_LOCK = ".drill";

/** Where a drill restores to. */
export const drillFolder = ({ paths }: Pick<System, "paths">): string =>
  path.join(paths.temporary, "drill");

/** Removes what a drill that was lost has left: restored data are nothing to lie about. */
export async function removeLeftDrill(system: Pick<System, "paths">): Promise<void> {
  const folder = drillFolder(system);
  if (!existsSync(folder)) return;
  try {
    using _lock = lockComponents(system.paths.locks, [DRILL_LOCK]);
    await removeTree(folder);
  } catch {
    // One is under way, or it cannot be removed: the next drill says so.
  }
}

/** Also where a folder in it was restored to be read only. */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (systemCode(error) !== "EACCES" && systemCode(error) !== "EPERM") throw error;
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name);
      if (entry.isDirectory()) await chmod(file, 0o700).catch(() => {});
    }
    await rm(folder, { recursive: true, force: true });
  }
}
