import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { type Effects, namesIn } from "../base/effects.ts";
import { syncFile } from "../base/fs.ts";
import type { Version } from "../slots/slot.ts";

const READY = "=";
const STAGING = "~";

/**
 * A file a version in a folder of this machine: the data themselves, or what is known of them where a
 * server has them. With its file a version is ready.
 */
export type VersionFiles = {
  fileOf(version: Version): string;
  isReady(version: Version): Promise<boolean>;
  readyAmong(versions: readonly Version[]): Promise<ReadonlySet<Version>>;
  put(version: Version, source: AsyncIterable<Uint8Array>): Promise<void>;
  remove(version: Version): Promise<void>;
};

export function versionFiles(folder: string, effects: Effects): VersionFiles {
  const fileOf = (version: Version): string => path.join(folder, READY + version);
  const staged = (version: Version): string => path.join(folder, STAGING + version);
  return {
    fileOf,
    isReady: async (version) => (await namesIn(folder)).includes(READY + version),
    async readyAmong(versions) {
      const names = new Set(await namesIn(folder));
      return new Set(versions.filter((version) => names.has(READY + version)));
    },
    async put(version, source) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await pipeline(source, createWriteStream(staged(version), { mode: 0o600 }));
      await syncFile(staged(version));
      await effects.rename(staged(version), fileOf(version));
    },
    async remove(version) {
      await effects.removeTree(staged(version));
      await effects.removeTree(fileOf(version));
    },
  };
}
