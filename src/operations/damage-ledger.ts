import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../base/effects.ts";
import { writeFileDurable } from "../base/fs.ts";
import type { DamageLedger } from "../repository/repository.ts";

/**
 * Keeps in the state folder which packs of the repository at a place are damaged, an empty file each. By its
 * place, since a copy of it byte by byte may be sound.
 */
export function damageAt(state: string, place: string): DamageLedger {
  const of = createHash("sha256").update(place).digest("hex").slice(0, 16);
  const folder = path.join(state, "damaged-packs", of);
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
