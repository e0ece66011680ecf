import { randomUUID } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { access, chown, link, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { systemCode } from "./errors.ts";

/** Files whose name starts with this are leftovers of a crash and can be removed. */
export const TEMPORARY_PREFIX = ".tmp-";

export type WhenExists = "replace" | "refuse";

/**
 * Writes a whole file so that after a crash it is there completely or not at all.
 * Throws EEXIST when there is one already and it is to be refused.
 */
export async function writeFileDurable(
  file: string,
  data: Uint8Array,
  whenExists: WhenExists,
  mode = 0o600,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const directory = path.dirname(file);
  await makeFolderDurable(directory);
  const temporary = temporaryIn(directory);
  try {
    await writeAndSync(temporary, data, mode);
    if (owner !== undefined) await chown(temporary, owner.uid, owner.gid);
    await putInPlace(temporary, file, whenExists);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(directory);
}

/** Makes a folder with those above it. After a crash they are all there. */
export async function makeFolderDurable(folder: string, mode = 0o700): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode }).catch(async (error: unknown) => {
    // Of a disk that is read-only it says so.
    if (systemCode(error) === "ENOENT") await mkdir(folder, { mode });
    throw error;
  });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = path.dirname(made)) {
    await syncDirectory(path.dirname(made));
  }
}

/** A name in the folder that no other file has; see TEMPORARY_PREFIX. */
export function temporaryIn(directory: string): string {
  return path.join(directory, `${TEMPORARY_PREFIX}${randomUUID()}`);
}

/** Gives a synced file its name. Throws EEXIST when there is one already and it is to be refused. */
export async function putInPlace(
  temporary: string,
  file: string,
  whenExists: WhenExists,
): Promise<void> {
  // Unlike a rename, a link does not replace what another process has just put there.
  if (whenExists === "refuse") {
    await link(temporary, file).catch((error: unknown) => renameIfFree(error, temporary, file));
    await rm(temporary, { force: true });
  } else {
    await rename(temporary, file);
  }
}

/** FAT knows no links. Without them two who write the same name at once cannot be told apart. */
const NO_LINKS: ReadonlySet<unknown> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

async function renameIfFree(problem: unknown, temporary: string, file: string): Promise<void> {
  if (!NO_LINKS.has(systemCode(problem))) throw problem;
  await access(file).then(
    () => {
      throw Object.assign(new Error(`${file} exists`), { code: "EEXIST" });
    },
    () => rename(temporary, file),
  );
}

async function writeAndSync(file: string, data: Uint8Array, mode: number): Promise<void> {
  await using handle = await open(file, "wx", mode);
  await handle.writeFile(data);
  await handle.sync();
}

/** What was written to the file survives a crash once this returns. */
export async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, "r");
  await handle.sync();
}

/** A new name is durable only once its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  await syncFile(directory);
}

/** Whether a folder lies on a disk that nobody can write to: Linux makes one with errors so. */
export function isReadOnly(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return false;
  } catch (error) {
    return systemCode(error) === "EROFS";
  }
}
