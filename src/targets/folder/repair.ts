import { chmod, lstat } from "node:fs/promises";
import path from "node:path";
import type { Version } from "../../slots/slot.ts";
import { manifestFile, releaseFolder } from "./layout.ts";
import { findAll, modeText, readManifest } from "./manifest.ts";

/**
 * Gives files and folders of a release the modes that its manifest says, such as an execute bit that
 * was lost. Says which it changed; content is left alone.
 */
export async function repairModes(root: string, version: Version): Promise<string[]> {
  const folder = releaseFolder(root, version);
  const found = await findAll(folder);
  const changed: string[] = [];
  for (const item of (await readManifest(manifestFile(root, version))) ?? []) {
    const there = found.get(item.path);
    if (item.type === "link" || there?.type !== item.type || there.mode === item.mode) continue;
    const file = path.join(folder, item.path);
    await chmod(file, Number.parseInt(item.mode, 8));
    if (modeText((await lstat(file)).mode) === item.mode) changed.push(item.path);
  }
  return changed;
}
