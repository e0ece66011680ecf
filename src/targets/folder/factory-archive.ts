import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { realEffects } from "../../base/effects.ts";
import type { Run } from "../../base/events.ts";
import { type Command, execOk } from "../../base/exec.ts";
import { syncFile, writeFileDurable } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import { factoryArchive, manifestFile } from "./layout.ts";
import { sha256Of } from "./manifest.ts";

const MS_MAX = 60 * 60_000;

/** As `sha256sum` writes it, so that everybody can ask it. */
const sumFile = (archive: string): string => `${archive}.sha256`;

/** Packs a release, with its manifest, into the archive that lies beside it; returns where that is. */
export async function packFactory(root: string, version: Version, run: Run): Promise<string> {
  const archive = factoryArchive(root, version);
  const plain = `${archive}.tar~`;
  try {
    const manifest = path.relative(root, manifestFile(root, version));
    const command: Command = ["tar", "-C", root, "-cf", plain, "--", `v${version}`, manifest];
    await execOk(command, { timeoutMs: MS_MAX }, run);
    const compressed = `${archive}~`;
    await pipeline(createReadStream(plain), createZstdCompress(), createWriteStream(compressed), {
      signal: run.signal,
    });
    await syncFile(compressed);
    const sum = `${await sha256Of(compressed, run)}  ${path.basename(archive)}\n`;
    await realEffects.rename(compressed, archive);
    await writeFileDurable(sumFile(archive), Buffer.from(sum), "replace");
  } finally {
    await rm(plain, { force: true });
  }
  return archive;
}

export type ArchiveProblem = {
  readonly problem: string;
  /** Whether it is worth trying to make the release again out of it: what comes out is verified. */
  readonly isWorthTrying: boolean;
};

/** What is wrong with the archive of the factory release; undefined where it is whole. */
export async function archiveProblem(
  root: string,
  version: Version,
  run: Run,
): Promise<ArchiveProblem | undefined> {
  const archive = factoryArchive(root, version);
  if (!existsSync(archive)) return { problem: "it has no archive", isWorthTrying: false };
  const sum = await readFile(sumFile(archive), "utf8").catch(() => "");
  try {
    const found = await sha256Of(archive, run);
    if (sum.toLowerCase().startsWith(found)) return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    const problem = `its archive cannot be read: ${(error as Error).message}`;
    return { problem, isWorthTrying: false };
  }
  // The sum may be an older one's: what comes out of the archive is verified by the manifest.
  const problem =
    sum === "" ? "nobody knows whether its archive is whole" : "its archive has another sum";
  return { problem, isWorthTrying: true };
}

/** Unpacks the archive of a release into a folder, laid out as the root is. Throws what went wrong. */
export async function unpackFactory(
  root: string,
  version: Version,
  folder: string,
  run: Run,
): Promise<void> {
  const plain = `${folder}.tar`;
  try {
    const archive = factoryArchive(root, version);
    await pipeline(createReadStream(archive), createZstdDecompress(), createWriteStream(plain));
    await execOk(["tar", "-C", folder, "-xpf", plain], { timeoutMs: MS_MAX }, run);
  } finally {
    await rm(plain, { force: true });
  }
}

export async function removeArchive(root: string, version: Version): Promise<void> {
  const archive = factoryArchive(root, version);
  for (const file of [archive, sumFile(archive)]) await rm(file, { force: true });
}
