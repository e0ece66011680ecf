import { copyFile, lstat, rename } from "node:fs/promises";
import path from "node:path";
import { realEffects } from "../../base/effects.ts";
import { AppError, nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Command, exec, execOk } from "../../base/exec.ts";
import { temporaryIn } from "../../base/fs.ts";
import { syncTree } from "../../base/sync-tree.ts";
import type { Version } from "../../slots/slot.ts";
import { versionOf } from "../target.ts";
import { packFactory, removeArchive, unpackFactory } from "./factory-archive.ts";
import {
  factoryArchive,
  FAILED,
  manifestFile,
  readPointer,
  releaseFolder,
  stagingFolder,
} from "./layout.ts";
import { findAll } from "./manifest.ts";
import { changeMark } from "./marks.ts";
import { verifyRelease } from "./verify.ts";

const MS_MAX = 60 * 60_000;

/**
 * Makes a release the factory one: its files are shared with no other release, they are immutable
 * where the file system knows that (chattr +i: modes do not hold root back), and an archive of it
 * lies beside it. The one that was it before becomes an ordinary release.
 */
export async function createFactory(
  root: string,
  version: Version,
  run: Run,
): Promise<{ archive: string; immutable: boolean }> {
  const before = versionOf(await readPointer(root, "factory"));
  await setImmutable(releaseFolder(root, version), false, run);
  await unshare(releaseFolder(root, version));
  const archive = await packFactory(root, version, run);
  await changeMark(root, version, { verdict: "good" });
  await realEffects.pointLink(path.join(root, "factory"), `v${version}`);
  const immutable = await setImmutable(releaseFolder(root, version), true, run);
  if (!immutable) {
    const message = `the file system of ${root} cannot protect the factory release from changes`;
    run.report({ type: "warning", message });
  }
  if (before !== undefined && before !== version) {
    await setImmutable(releaseFolder(root, before), false, run);
    await removeArchive(root, before);
  }
  return { archive, immutable };
}

/** Gives each file that another release shares an inode of its own. */
async function unshare(folder: string): Promise<void> {
  for (const found of (await findAll(folder)).values()) {
    const file = path.join(folder, found.path);
    const stat = await lstat(file);
    if (found.type !== "file" || stat.nlink === 1) continue;
    const temporary = temporaryIn(path.dirname(file));
    await copyFile(file, temporary);
    await execOk(
      ["cp", "--attributes-only", "-p", "--", file, temporary],
      { timeoutMs: MS_MAX },
      {
        signal: new AbortController().signal,
        report: () => {},
      },
    );
    await rename(temporary, file);
  }
}

const HINT_NO_FACTORY =
  "What is there stays. Make another release that works the factory one: " +
  "lastgood releases factory COMPONENT VERSION; or deploy the same version again under another number.";

/**
 * Puts the factory release back out of its archive. What was there goes aside as evidence.
 * NOT_FOUND without an archive, CORRUPT when that is damaged too, REFUSED while it is live.
 */
export async function restoreFactory(root: string, version: Version, run: Run): Promise<void> {
  const archive = factoryArchive(root, version);
  if ((await lstat(archive).catch(nothingThere)) === undefined) {
    throw new AppError("NOT_FOUND", `restore factory release ${version}: it has no archive`, {
      hint: HINT_NO_FACTORY,
    });
  }
  if (versionOf(await readPointer(root, "current")) === version) {
    throw new AppError("REFUSED", `restore factory release ${version}: it is live`, {
      hint: "Make another release live first: lastgood rollback --to VERSION",
    });
  }
  const staging = stagingFolder(root, version);
  await realEffects.removeTree(staging);
  await realEffects.makeFolder(staging);
  try {
    await unpackFactory(root, version, staging, run);
  } catch (error) {
    await realEffects.removeTree(staging);
    run.signal.throwIfAborted();
    throw new AppError("CORRUPT", `read ${archive}: ${(error as Error).message}`, {
      hint: HINT_NO_FACTORY,
      cause: error,
    });
  }
  await syncTree(staging, run);
  // What was unpacked is laid out as the root is: it is verified before anything is replaced.
  const [damage] = await verifyRelease(staging, version, "every-byte", run);
  if (damage !== undefined) {
    await realEffects.removeTree(staging);
    throw new AppError("CORRUPT", `restore factory release ${version}: its archive: ${damage}`, {
      hint: HINT_NO_FACTORY,
    });
  }
  await putBack(root, version, staging, run);
}

async function putBack(root: string, version: Version, staging: string, run: Run): Promise<void> {
  const folder = releaseFolder(root, version);
  const damaged = path.join(root, FAILED, `factory-${version}-damaged`);
  await setImmutable(folder, false, run);
  await realEffects.makeFolder(path.join(root, FAILED));
  await realEffects.removeTree(damaged);
  if ((await lstat(folder).catch(nothingThere)) !== undefined) {
    await realEffects.rename(folder, damaged);
  }
  const manifest = manifestFile(root, version);
  await realEffects.rename(path.join(staging, path.relative(root, manifest)), manifest);
  await realEffects.rename(path.join(staging, `v${version}`), folder);
  await realEffects.removeTree(staging);
  const [problem] = await verifyRelease(root, version, "every-byte", run);
  if (problem !== undefined) {
    throw new AppError("CORRUPT", `restore factory release ${version}: ${problem}`, {
      hint: `Its archive is damaged too. What was there lies in ${damaged}.`,
    });
  }
  await realEffects.pointLink(path.join(root, "factory"), `v${version}`);
  await setImmutable(folder, true, run);
}

/** Whether it could be done: not every file system can, and only root may. */
async function setImmutable(folder: string, isImmutable: boolean, run: Run): Promise<boolean> {
  if ((await lstat(folder).catch(nothingThere)) === undefined) return false;
  const command: Command = ["chattr", "-R", isImmutable ? "+i" : "-i", folder];
  try {
    return (await exec(command, { timeoutMs: MS_MAX }, run)).exitCode === 0;
  } catch {
    run.signal.throwIfAborted();
    // There is no such program here.
    return false;
  }
}
