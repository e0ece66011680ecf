import { createHash } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { translateDiskError } from "../../base/disk-errors.ts";
import type { Effects } from "../../base/effects.ts";
import { exec } from "../../base/exec.ts";
import type { Run } from "../../base/events.ts";
import { hostFacts } from "../../base/host.ts";
import { temporaryIn } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import type { Entry } from "../package/entry.ts";
import { versionOf } from "../target.ts";
import { manifestFile, readPointer, releaseFolder, seenFile, stagingFolder } from "./layout.ts";
import { type Item, manifestOf, modeText, readManifest, writeManifest } from "./manifest.ts";
import { refuseLinksOut, wrappedIn } from "./refuse.ts";

/** Files up to this size are compared with the release before anything is written. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;
const GROUP_OR_OTHERS_WRITE = 0o022;

/** The release with which unchanged files are shared, by path. */
type Before = {
  readonly folder: string;
  readonly items: ReadonlyMap<string, Item>;
  /** The factory release shares no inode with any other. */
  readonly mayLink: boolean;
};

/** What a release is made of. */
export type Source = {
  readonly entries: AsyncIterable<Entry>;
  /** Shell lines that are run in the release before it gets its manifest. */
  readonly commands: readonly string[];
  /** Whether nobody who runs from it can write to what root owns. */
  readonly mayLink: boolean;
};

const COMMAND_MS_MAX = 30_000;
/** As timeout(1) has it. */
const TIMED_OUT = 124;

/**
 * Puts a release together beside the others: unpacked, synced, with its manifest, and only then
 * under its own name. What is the same in the release `before` is shared with it. NO_SPACE.
 */
export async function stageRelease(
  root: string,
  version: Version,
  before: Version | undefined,
  { entries, commands, mayLink }: Source,
  effects: Effects,
  run: Run,
): Promise<void> {
  const staging = stagingFolder(root, version);
  try {
    await effects.removeTree(staging);
    await effects.makeFolder(staging);
    // What a command writes would be written into the release before too.
    const shared = await itemsOf(root, before, mayLink && commands.length === 0);
    const manifest: Item[] = [];
    const folders: { path: string; mode: number }[] = [];
    for await (const entry of entries) {
      run.signal.throwIfAborted();
      await mkdir(path.join(staging, path.dirname(entry.path)), { recursive: true, mode: 0o755 });
      manifest.push(await put(entry, staging, shared, folders));
    }
    const wrapped = wrappedIn(manifest, shared.items);
    if (wrapped !== undefined) run.report({ type: "warning", message: wrapped });
    addFoldersBetween(manifest, folders);
    // The deepest first: a folder that may not be written to takes nothing more.
    for (const folder of folders.toReversed()) {
      await chmod(path.join(staging, folder.path), folder.mode);
    }
    await chmod(staging, 0o755);
    for (const line of commands) await runCommand(line, staging, run);
    await refuseLinksOut(staging, manifest);
    await effects.syncTree(staging, run);
    await rm(seenFile(root, version), { force: true });
    const whole = commands.length === 0 ? manifest : await manifestOf(staging, run);
    const sorted = whole.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    await writeManifest(manifestFile(root, version), sorted);
    await effects.rename(staging, releaseFolder(root, version));
  } catch (error) {
    throw translateDiskError(error, `unpack release ${version} in ${root}`);
  }
}

/** Only what is staged is touched: after a crash it is thrown away and made again. */
async function runCommand(line: string, folder: string, run: Run): Promise<void> {
  const options = { timeoutMs: 2 * COMMAND_MS_MAX, folder, isPlain: true, diesWithUs: true };
  // It ends all that the line has started.
  const limit = ["timeout", "--kill-after=2", String(COMMAND_MS_MAX / 1000)] as const;
  const { exitCode, stdout, stderr } = await exec([...limit, "sh", "-c", line], options, run);
  if (exitCode === 0) return;
  if (exitCode === TIMED_OUT) {
    throw new AppError("INVALID_PACKAGE", `run ${line}: it takes longer than 30 s`, {
      hint: "A command of the package failed. Nothing was changed.",
    });
  }
  const lastWords = (stderr || stdout).trim().split("\n").at(-1) ?? "";
  throw new AppError("INVALID_PACKAGE", `run ${line}: exit code ${exitCode}: ${lastWords}`, {
    hint: "A command of the package failed. Nothing was changed.",
  });
}

async function itemsOf(
  root: string,
  before: Version | undefined,
  isAllowed: boolean,
): Promise<Before> {
  const folder = before === undefined ? "" : releaseFolder(root, before);
  const manifest = before === undefined ? [] : await readManifest(manifestFile(root, before));
  const mayLink = isAllowed && versionOf(await readPointer(root, "factory")) !== before;
  return { folder, mayLink, items: new Map((manifest ?? []).map((item) => [item.path, item])) };
}

/** Folders that a package implies without having them. */
function addFoldersBetween(manifest: Item[], folders: { path: string; mode: number }[]): void {
  const known = new Set(folders.map((folder) => folder.path));
  for (const { path: file } of manifest) {
    for (let at = path.posix.dirname(file); at !== "."; at = path.posix.dirname(at)) {
      if (known.has(at)) break;
      known.add(at);
      folders.push({ path: at, mode: 0o755 });
      manifest.push({ type: "folder", path: at, mode: "0755" });
    }
  }
  folders.sort((a, b) => a.path.split("/").length - b.path.split("/").length);
}

async function put(
  entry: Entry,
  staging: string,
  before: Before,
  folders: { path: string; mode: number }[],
): Promise<Item> {
  const file = path.join(staging, entry.path);
  switch (entry.type) {
    case "folder":
      await mkdir(file, { recursive: true, mode: 0o755 });
      folders.push({ path: entry.path, mode: entry.mode & 0o7777 });
      return { type: "folder", path: entry.path, mode: modeText(entry.mode) };
    case "link":
      await symlink(entry.target, file);
      return { type: "link", path: entry.path, target: entry.target };
    case "file":
      return await putFile(entry, file, before);
  }
}

async function putFile(
  { path: at, mode, content }: Extract<Entry, { type: "file" }>,
  file: string,
  before: Before,
): Promise<Item> {
  const hash = createHash("sha256");
  const parts: Uint8Array[] = [];
  let size = 0;
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const part of content) {
      hash.update(part);
      size += part.length;
      parts.push(part);
      if (size <= HELD_BYTES_MAX) continue;
      handle ??= await open(file, "wx", 0o600);
      await handle.writev(parts.splice(0));
    }
    const item: Item = {
      type: "file",
      path: at,
      mode: modeText(mode),
      size,
      sha256: hash.digest("hex"),
    };
    if (await isShared(item, file, handle !== undefined, before)) return item;
    if (handle === undefined) await writeFile(file, Buffer.concat(parts), { flag: "wx" });
    await chmod(file, mode & 0o7777);
    return item;
  } finally {
    await handle?.close();
  }
}

/** Whether the file is there now without having been written. */
async function isShared(
  item: Item,
  file: string,
  isWritten: boolean,
  before: Before,
): Promise<boolean> {
  if (JSON.stringify(before.items.get(item.path)) !== JSON.stringify(item)) return false;
  const old = path.join(before.folder, item.path);
  const stat = await lstat(old).catch(() => undefined);
  if (stat === undefined || item.type !== "file") return false;
  if (!stat.isFile() || stat.size !== item.size || modeText(stat.mode) !== item.mode) return false;
  // What was too large to be held is there already, and stays when it cannot be shared.
  const to = isWritten ? temporaryIn(path.dirname(file)) : file;
  try {
    await (before.mayLink && isRootsOnly(stat) ? link(old, to) : cloneFile(old, to));
    if (isWritten) await rename(to, file);
    return true;
  } catch {
    // Another file system, no reflinks, too many links: then it is written.
    await rm(to, { force: true });
    return false;
  }
}

/**
 * Only what nobody but root can write is linked: a service that wrote into one release would write
 * into the other too. The copy may still turn out to have been changed: then it does not verify.
 */
function isRootsOnly({ uid, mode }: { uid: number; mode: number }): boolean {
  return uid === 0 && hostFacts().uid === 0 && (mode & GROUP_OR_OTHERS_WRITE) === 0;
}

async function cloneFile(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  const { mode } = await lstat(from);
  await chmod(to, mode & 0o7777);
}
