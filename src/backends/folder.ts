import type { Dirent } from "node:fs";
import { chmod, copyFile, mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { OR_FEWER_POINTS, translateDiskError, translateReadError } from "../base/disk-errors.ts";
import { AppError, systemCode } from "../base/errors.ts";
import { makeFolderDurable, putInPlace, syncDirectory, syncFile, temporaryIn } from "../base/fs.ts";
import { type Backend, isKey, type Key, type ObjectInfo } from "./backend.ts";

/** As restic leaves its files: nobody changes them by mistake. */
const READ_ONLY = 0o400;

/** Keeps each object in a file of its own under a folder, in restic's local layout. */
export function folderBackend(folder: string): Backend {
  const fileOf = (key: Key): string => path.join(folder, key);
  const spoolFolder = path.join(folder, "tmp");
  return {
    label: folder,
    localFolder: folder,
    spoolFolder,

    async put(key, data, { signal }) {
      signal.throwIfAborted();
      const file = fileOf(key);
      try {
        const source = data instanceof Uint8Array ? await spool(data, spoolFolder) : data.file;
        await takeFile(source, file);
      } catch (error) {
        throw translate(error, `write ${key} in ${folder}`);
      }
    },

    async get(key, range, { signal }) {
      signal.throwIfAborted();
      const doing = `read ${key} in ${folder}`;
      try {
        await using handle = await open(fileOf(key), "r");
        // In one read, whatever the size: Node's readFile goes in steps of half a megabyte.
        const { offsetBytes, lengthBytes } =
          range === "all" ? { offsetBytes: 0, lengthBytes: (await handle.stat()).size } : range;
        const buffer = new Uint8Array(lengthBytes);
        const { bytesRead } = await handle.read({ buffer, position: offsetBytes });
        if (bytesRead === lengthBytes) return buffer;
        const found = `${offsetBytes + bytesRead} bytes, at least ${offsetBytes + lengthBytes} expected`;
        throw new AppError("CORRUPT", `${doing}: ${found}`);
      } catch (error) {
        throw translate(translateReadError(error, doing), doing);
      }
    },

    async *list(prefix, { signal }) {
      // Only the folder that the prefix names is walked, not the whole repository.
      const start = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      for await (const files of walk(folder, start)) {
        signal.throwIfAborted();
        yield* await withSizes(files.filter(({ key }) => key.startsWith(prefix)));
      }
    },

    async remove(key, { signal }) {
      signal.throwIfAborted();
      await rm(fileOf(key), { force: true }).catch((error: unknown) => {
        throw translate(error, `remove ${key} in ${folder}`);
      });
    },

    async [Symbol.asyncDispose]() {},
  };
}

/** What a crash leaves half written lies among the spool files, where `prune` finds it. */
async function spool(data: Uint8Array, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = temporaryIn(folder);
  try {
    await writeFile(file, data, { flag: "wx", mode: 0o600 });
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return file;
}

async function takeFile(source: string, file: string): Promise<void> {
  const directory = path.dirname(file);
  try {
    await makeFolderDurable(directory);
    await makeReadOnly(source);
    await putInPlace(source, file, "refuse").catch(async (error: unknown) => {
      if (systemCode(error) !== "EXDEV") throw error;
      await takeCopy(source, file);
    });
  } finally {
    await rm(source, { force: true });
  }
  await syncDirectory(directory);
}

async function takeCopy(source: string, file: string): Promise<void> {
  const temporary = temporaryIn(path.dirname(file));
  try {
    await copyFile(source, temporary);
    await makeReadOnly(temporary);
    await putInPlace(temporary, file, "refuse");
  } finally {
    await rm(temporary, { force: true });
  }
}

async function makeReadOnly(file: string): Promise<void> {
  await syncFile(file);
  await chmod(file, READ_ONLY);
}

/** The objects of one folder after the other. */
async function* walk(
  folder: string,
  below: string,
): AsyncGenerator<{ key: Key; file: string }[], void, undefined> {
  const files: { key: Key; file: string }[] = [];
  for (const entry of await entriesOf(path.join(folder, below))) {
    const name = `${below}${entry.name}`;
    if (!isKey(name)) continue;
    if (entry.isDirectory()) yield* walk(folder, `${name}/`);
    else if (entry.isFile()) files.push({ key: name, file: path.join(folder, name) });
  }
  yield files;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw translate(error, `list ${folder}`);
  }
}

/** Side by side: one after the other takes eight times as long, 2.8 s with a terabyte of packs. */
async function withSizes(files: readonly { key: Key; file: string }[]): Promise<ObjectInfo[]> {
  const sizes = await Promise.all(files.map(({ file }) => sizeOf(file)));
  return files.flatMap(({ key }, at) => {
    const sizeBytes = sizes[at];
    return sizeBytes === undefined ? [] : [{ key, sizeBytes }];
  });
}

/** Undefined when it has just been removed by another process. */
async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function translate(error: unknown, doing: string): unknown {
  const details = { cause: error };
  switch (systemCode(error)) {
    case "ENOENT":
      return new AppError("NOT_FOUND", `${doing}: not found`, details);
    case "EISDIR":
      return new AppError("CORRUPT", `${doing}: it is a folder`, details);
    case "EEXIST":
      return new AppError("ALREADY_EXISTS", `${doing}: already exists`, details);
    default:
      return translateDiskError(error, doing, OR_FEWER_POINTS);
  }
}
