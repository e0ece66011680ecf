import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../base/effects.ts";
import { writeFileDurable } from "../base/fs.ts";
import type { DamageLedger } from "../repository/repository.ts";

/** Keeps in the state folder which packs of a repository are damaged, an empty file each. */
export function folderDamage(folder: string): DamageLedger {
  return {
    async known() {
      return new Set((await namesIn(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name)));
    },
    async found(packId) {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFileDurable(path.join(folder, packId), Buffer.alloc(0), "replace");
      } catch {
        // A full disk must not take the place of what was found; the next reading finds it again.
      }
    },
    forget: (packId) => rm(path.join(folder, packId), { force: true }),
  };
}
