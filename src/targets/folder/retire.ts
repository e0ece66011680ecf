import { rm } from "node:fs/promises";
import path from "node:path";
import { type Effects, namesIn } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import { hostFacts } from "../../base/host.ts";
import { processesWithin } from "../../base/open-files.ts";
import type { Version } from "../../slots/slot.ts";
import { type FailedRelease, POINTERS, versionOf } from "../target.ts";
import { removeArchive } from "./factory-archive.ts";
import {
  FAILED,
  failedFolder,
  manifestFile,
  markFile,
  readPointers,
  releaseFolder,
  seenFile,
  stagingFolder,
  versionsIn,
} from "./layout.ts";
import { readMark } from "./marks.ts";

/**
 * Removes a release. REFUSED when a link leads to it, it is pinned, or a process runs from it.
 * Renamed first: half a release must not look like a whole one.
 */
export async function removeRelease(
  root: string,
  version: Version,
  effects: Effects,
): Promise<void> {
  const reason = await neededBy(root, version);
  if (reason !== undefined) {
    throw new AppError("REFUSED", `remove release ${version} in ${root}: ${reason}`, {
      hint: "It stays. See: lastgood releases",
    });
  }
  const leaving = stagingFolder(root, version);
  const folder = releaseFolder(root, version);
  if ((await versionsIn(root)).includes(version)) {
    await effects.removeTree(leaving);
    await effects.makeFolder(path.dirname(leaving));
    await effects.rename(folder, leaving);
  }
  await effects.removeTree(leaving);
  await forgetFacts(root, version);
  await removeArchive(root, version);
}

/** Why a release has to stay; undefined when it may go. */
export async function neededBy(root: string, version: Version): Promise<string | undefined> {
  const pointers = await readPointers(root);
  const pointer = POINTERS.find((name) => versionOf(pointers[name]) === version);
  if (pointer !== undefined) return `${pointer} leads to it`;
  if ((await readMark(root, version)).pinned === true)
    return `it is pinned (lastgood releases pin COMPONENT ${version} off)`;
  const [pid] = processesWithin(releaseFolder(root, version), hostFacts().pid);
  return pid === undefined ? undefined : `process ${pid} still uses it`;
}

/**
 * Moves a release that failed to `.failed/<evidence>`: its name is free again, and what it was can
 * be looked at. REFUSED while `current` leads to it.
 */
export async function rejectRelease(
  root: string,
  version: Version,
  evidence: Version,
  effects: Effects,
): Promise<void> {
  if (versionOf((await readPointers(root)).current) === version) {
    throw new AppError("REFUSED", `move release ${version} out of the way: it is live`);
  }
  await effects.makeFolder(path.join(root, FAILED));
  if ((await versionsIn(root)).includes(version)) {
    await effects.rename(releaseFolder(root, version), failedFolder(root, evidence));
  }
  await forgetFacts(root, version);
}

async function forgetFacts(root: string, version: Version): Promise<void> {
  for (const file of [manifestFile, markFile, seenFile]) {
    await rm(file(root, version), { force: true });
  }
}

/** The releases that failed, by the names of their folders: version, dash, operation. */
export async function failedIn(root: string): Promise<FailedRelease[]> {
  return (await namesIn(path.join(root, FAILED))).flatMap((name) => {
    const [, version, operation] = /^(.+?)-(\d{8}T\d{6}Z-[0-9a-f]+)$/.exec(name) ?? [];
    return version === undefined || operation === undefined ? [] : [{ name, version, operation }];
  });
}
