import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { isNothing, nothingThere } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Reader, TreeNode, Writer } from "../repository/repository.ts";
import { isMountPoint, NOT_CONTENT, placeInside, placeOf } from "../slots/place.ts";
import { type Hold, noHold } from "./hold.ts";
import { pathInPoint } from "./path-in-point.ts";
import { ownTree } from "./ownership.ts";
import {
  type Captured,
  errorWord,
  type Ownership,
  type FileStore,
  type StoreContext,
  tellProblems,
} from "./store.ts";

/** Looks for what is wrong with a copy while it is still held. */
export type Inspect = (folder: string) => Promise<readonly string[]>;

export type FolderConfig = {
  /** Without links. */
  readonly path: string;
  /** Its name in a point: that of the configured path. */
  readonly base: string;
  readonly optional: boolean;
  readonly ownership: Ownership;
  /** What keeps the application from writing while it is captured. */
  readonly hold: Hold;
};

const LOSS_LINES_MAX = 10;
/** What happens to a folder that is in use; the copy is one that could have been, or nearly. */
const HARMLESS: ReadonlySet<string> = new Set(["changed", "replaced", "ENOENT", "attributes"]);

/** A folder with all that is in it. A restore replaces it; nothing of the newer state stays. */
export function folderStore(
  config: FolderConfig,
  { name }: StoreContext,
  inspect: Inspect = async () => [],
): FileStore {
  const { base } = config;
  const ownName = path.basename(config.path);

  return {
    kind: "folder",
    name,
    where: config.path,
    livePath: config.path,
    capture: (into, at, run) => captureFolder(config, name, `${at}/${base}`, into, inspect, run),

    async captureLying(lying, into, at, run) {
      // Inside a mount point the content alone lies there.
      const own = (await isMountPoint(config.path)) ? lying : path.join(lying, ownName);
      const still = { ...config, path: own, hold: noHold };
      return await captureFolder(still, name, `${at}/${base}`, into, inspect, run);
    },

    hold: config.hold,

    place: async () =>
      (await isMountPoint(config.path)) ? placeInside(config.path) : placeOf(config.path, []),

    async materialise(from, at, folder, run) {
      // Inside a mount point the content alone is switched; else the folder as a whole.
      const inside = await isMountPoint(config.path);
      const target = inside ? folder : path.join(folder, ownName);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      tellProblems(await from.tree(await pathInPoint(from, at, base), target), run);
      await ownTree(target, config.ownership);
    },

    async validate(folder, facts) {
      const root = (await isMountPoint(config.path)) ? folder : path.join(folder, ownName);
      if (!(await isFolder(root))) return [errorWord(name, "snapshot_missing")];
      const { files } = await countFiles(root);
      return facts?.files === undefined || files === facts.files
        ? []
        : [errorWord(name, "file_count_differs")];
    },

    async sizes() {
      const sizes = new Map<string, number>();
      for (const file of await readdir(config.path, { recursive: true })) {
        const found = await lstat(path.join(config.path, file)).catch(nothingThere);
        if (found?.isFile() === true) sizes.set(file, found.size);
      }
      return sizes;
    },

    loss: async (from, at) =>
      await compareWithLive(from, await pathInPoint(from, at, base), config.path),
  };
}

async function captureFolder(
  config: FolderConfig,
  name: string,
  at: string,
  into: Writer,
  inspect: Inspect,
  run: Run,
): Promise<Captured> {
  if (!(await isFolder(config.path))) {
    const isThere = existsSync(config.path);
    const isError = isThere || !config.optional;
    const errors = isError ? [errorWord(name, isThere ? "not_a_folder" : "missing")] : [];
    return { facts: undefined, errors, warnings: [] };
  }
  await using held = await config.hold.acquire(run);
  const isMount = await isMountPoint(config.path);
  const summary = await into.tree(at, held.folder ?? config.path, {
    isExcluded: (relative) => isMount && NOT_CONTENT.has(relative),
  });
  const { filesNew, filesChanged, filesUnmodified, bytes, problems } = summary;
  const unread = problems.filter(({ code }) => !HARMLESS.has(code));
  return {
    facts: { bytes, files: filesNew + filesChanged + filesUnmodified },
    errors: [
      ...(unread.length > 0 ? [errorWord(name, "unreadable")] : []),
      ...(await inspect(held.folder ?? config.path)),
    ],
    warnings: problems
      .slice(0, LOSS_LINES_MAX)
      .map(({ path: file, message }) => `${file}: ${message}`),
  };
}

async function compareWithLive(from: Reader, at: string, live: string): Promise<string[]> {
  const lines: string[] = [];
  let more = 0;
  const tell = (line: string): void => {
    if (lines.length < LOSS_LINES_MAX) lines.push(line);
    else more++;
  };
  // Names are bytes, and as text they may be the name of nothing.
  const visit = async (relative: string, folder: Buffer): Promise<void> => {
    const then = new Map(
      (await from.list(path.posix.join(at, relative))).map(({ name, node }) => [name, node]),
    );
    const now = await readdir(folder, { withFileTypes: true, encoding: "buffer" }).catch(() => []);
    for (const entry of now) {
      const name = entry.name.toString();
      if (relative === "" && NOT_CONTENT.has(name)) continue;
      const below = path.posix.join(relative, name);
      const file = Buffer.concat([folder, SLASH, entry.name]);
      const node = then.get(name);
      then.delete(name);
      const isTree = entry.isDirectory() && node?.type === "dir";
      if (node === undefined) tell(`added since: ${below}`);
      else if (isTree && !Buffer.from(name).equals(entry.name)) tell(`not compared: ${below}`);
      else if (isTree) await visit(below, file);
      else if (await hasChanged(file, node)) tell(`changed since: ${below}`);
    }
    for (const name of then.keys()) tell(`removed since: ${path.posix.join(relative, name)}`);
  };
  await visit("", Buffer.from(live));
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

const SLASH = Buffer.from("/");

async function hasChanged(file: Buffer, node: TreeNode): Promise<boolean> {
  const found = await lstat(file);
  if (found.isSymbolicLink() && node.type === "symlink") {
    return (await readlink(file, { encoding: "latin1" })) !== node.linkTarget;
  }
  if (!found.isFile() || node.type !== "file") return true;
  const { size, mtimeMs } = found;
  return size !== node.sizeBytes || Math.abs(mtimeMs - Date.parse(node.mtime)) > 1;
}

export async function isFolder(file: string): Promise<boolean> {
  try {
    return (await lstat(file)).isDirectory();
  } catch (error) {
    if (isNothing(error)) return false;
    throw error;
  }
}

async function countFiles(folder: string): Promise<{ files: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return { files: entries.filter((entry) => entry.isFile()).length };
}
