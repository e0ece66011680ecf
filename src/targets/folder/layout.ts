import { lstat, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../../base/effects.ts";
import { nothingThere } from "../../base/errors.ts";
import { version, type Version } from "../../slots/slot.ts";
import { compareVersions } from "../compare-versions.ts";
import { type Pointer, type PointerName, POINTERS, type Pointers } from "../target.ts";

// What lies where below the root of a folder target. docs/releases.md has it for people.

export const FAILED = ".failed";
const OWN = ".lastgood";

export function releaseFolder(root: string, name: Version): string {
  return path.join(root, `v${name}`);
}

/** Beside the releases, since whatever is in a release and not in its manifest is damage. */
export function manifestFile(root: string, name: Version): string {
  return path.join(root, OWN, `${name}.sha256`);
}

export function markFile(root: string, name: Version): string {
  return path.join(root, OWN, `${name}.json`);
}

/** What was found when all bytes were last read, so that only what changed since is read again. */
export function seenFile(root: string, name: Version): string {
  return path.join(root, OWN, `${name}.seen.json`);
}

export function stagingFolder(root: string, name: Version): string {
  return path.join(root, OWN, `${name}~staging`);
}

export function factoryArchive(root: string, name: Version): string {
  return path.join(root, OWN, `factory-${name}.tar.zst`);
}

export function failedFolder(root: string, evidence: Version): string {
  return path.join(root, FAILED, evidence);
}

/** The versions that have a folder, newest first; numbers as numbers. */
export async function versionsIn(root: string): Promise<Version[]> {
  const found: Version[] = [];
  for (const name of await namesIn(root)) {
    const text = versionNamed(name);
    if (text === undefined) continue;
    const entry = await lstat(path.join(root, name)).catch(nothingThere);
    if (entry?.isDirectory() === true) found.push(text);
  }
  return found.toSorted((a, b) => compareVersions(b, a));
}

/** "v1.2.0" is the folder of 1.2.0. */
function versionNamed(name: string): Version | undefined {
  try {
    return /^v\d/.test(name) ? version(name.slice(1)) : undefined;
  } catch {
    // Some other folder that begins like one.
    return undefined;
  }
}

export async function readPointers(root: string): Promise<Pointers> {
  const entries = await Promise.all(
    POINTERS.map(async (name) => [name, await readPointer(root, name)] as const),
  );
  return Object.fromEntries(entries) as Record<PointerName, Pointer>;
}

export async function readPointer(root: string, name: PointerName): Promise<Pointer> {
  const link = path.join(root, name);
  const entry = await lstat(link).catch(nothingThere);
  if (entry === undefined) return { state: "none" };
  if (!entry.isSymbolicLink()) return { state: "no-link" };
  const target = await readlink(link);
  const folder = path.resolve(root, target);
  // An absolute link may have been made by another path to the same folder.
  const isOurs = path.dirname(folder) === root || (await isSame(path.dirname(folder), root));
  const found = isOurs ? versionNamed(path.basename(folder)) : undefined;
  const there = await lstat(folder).catch(nothingThere);
  return found !== undefined && there?.isDirectory() === true
    ? { state: "to", version: found }
    : { state: "dangling", target };
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((file) => stat(file).catch(() => undefined)));
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}
