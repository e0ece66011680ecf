import { createReadStream, lstatSync } from "node:fs";
import { open, readdir, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { AppError, systemCode } from "../../base/errors.ts";
import { type Entry, guarded, invalid, type PackageLimits } from "./entry.ts";
import { type ModuleManifest, moduleEntries, readModuleManifest } from "./modules.ts";

/**
 * What is in a package: a zip file, a tar file (plain, gzip, zstd) or a folder, told apart by their
 * content; as it is to lie in a release below `root`. NOT_FOUND, INVALID_PACKAGE.
 */
export async function* readPackage(
  file: string,
  label: string,
  root: string,
  limits: PackageLimits,
): AsyncGenerator<Entry> {
  const entries = guarded(await entriesOf(file, label), label, limits);
  const manifest = await moduleManifestOf(file, label);
  if (manifest === undefined) return yield* entries;
  // Guarded once more: what several modules make of one file counts as often.
  yield* guarded(moduleEntries(entries, manifest, root, label), label, limits);
}

/** Undefined for what is no package of modules. */
export async function moduleManifestOf(
  file: string,
  label: string,
): Promise<ModuleManifest | undefined> {
  const start = await beginningOf(file);
  return start !== "folder" && isZip(start) ? await readModuleManifest(file, label) : undefined;
}

function isZip(start: Buffer): boolean {
  return start.subarray(0, 2).toString("latin1") === "PK";
}

async function entriesOf(file: string, label: string): Promise<AsyncIterable<Entry>> {
  const start = await beginningOf(file);
  if (start === "folder") return folderEntries(file, label);
  // Each reader is loaded when there is such a package: most commands see none.
  if (isZip(start)) return (await import("./zip.ts")).zipEntries(file, label);
  const { tarEntries } = await import("./tar.ts");
  if (start.readUInt16BE(0) === 0x1f8b) return tarEntries(file, "gzip", label);
  if (start.readUInt32LE(0) === 0xfd2fb528) return tarEntries(file, "zstd", label);
  if (start.subarray(257, 262).toString("latin1") === "ustar") {
    return tarEntries(file, "none", label);
  }
  throw invalid(label, "it is neither a zip nor a tar file (plain, gzip or zstd)");
}

async function beginningOf(file: string): Promise<Buffer | "folder"> {
  try {
    if ((await stat(file)).isDirectory()) return "folder";
    await using handle = await open(file, "r");
    const buffer = Buffer.alloc(512);
    await handle.read(buffer, 0, buffer.length, 0);
    return buffer;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw new AppError("NOT_FOUND", `read package ${file}: there is no such file`, {
      hint: "Name a zip or tar file, a folder, or a URL.",
      cause: error,
    });
  }
}

/** Opened only when somebody reads it: nobody would hear of an error before. */
async function* contentOf(file: string): AsyncGenerator<Uint8Array> {
  for await (const part of createReadStream(file)) yield part as Buffer;
}

async function* folderEntries(root: string, label: string): AsyncGenerator<Entry> {
  const folders = [""];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const name of (await readdir(path.join(root, folder))).toSorted()) {
      if (name.includes("\ufffd")) throw invalid(label, `${folder}/${name} is no UTF-8`);
      const at = folder === "" ? name : `${folder}/${name}`;
      const found = lstatSync(path.join(root, at));
      const mode = found.mode & 0o7777;
      if (found.isDirectory()) {
        folders.push(at);
        yield { type: "folder", path: at, mode };
      } else if (found.isSymbolicLink()) {
        yield { type: "link", path: at, mode, target: await readlink(path.join(root, at)) };
      } else if (found.isFile()) {
        yield { type: "file", path: at, mode, content: contentOf(path.join(root, at)) };
      } else {
        throw invalid(label, `${at} is neither a file, a folder nor a link`);
      }
    }
  }
}
