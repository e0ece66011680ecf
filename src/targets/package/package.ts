import { createReadStream, lstatSync } from "node:fs";
import { lstat, open, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { AppError, systemCode } from "../../base/errors.ts";
import { type Entry, guarded, invalid, type PackageLimits } from "./entry.ts";
import { type ModuleManifest, moduleEntries, readModuleManifest } from "./modules.ts";
import { tarEntries } from "./tar.ts";
import { zipEntries } from "./zip.ts";

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
  yield* manifest === undefined ? entries : moduleEntries(entries, manifest, root, label);
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
  if (isZip(start)) return zipEntries(file, label);
  if (start.readUInt16BE(0) === 0x1f8b) return tarEntries(file, "gzip", label);
  if (start.readUInt32LE(0) === 0xfd2fb528) return tarEntries(file, "zstd", label);
  if (start.subarray(257, 262).toString("latin1") === "ustar") {
    return tarEntries(file, "none", label);
  }
  throw invalid(label, "it is neither a zip nor a tar file (plain, gzip or zstd)");
}

async function beginningOf(file: string): Promise<Buffer | "folder"> {
  try {
    if ((await lstat(file)).isDirectory()) return "folder";
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

async function* folderEntries(root: string, label: string): AsyncGenerator<Entry> {
  const folders = [""];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const name of (await readdir(path.join(root, folder))).toSorted()) {
      const at = folder === "" ? name : `${folder}/${name}`;
      const stat = lstatSync(path.join(root, at));
      const mode = stat.mode & 0o7777;
      if (stat.isDirectory()) {
        folders.push(at);
        yield { type: "folder", path: at, mode };
      } else if (stat.isSymbolicLink()) {
        yield { type: "link", path: at, mode, target: await readlink(path.join(root, at)) };
      } else if (stat.isFile()) {
        const content = createReadStream(path.join(root, at)) as AsyncIterable<Uint8Array>;
        yield { type: "file", path: at, mode, content };
      } else {
        throw invalid(label, `${at} is neither a file, a folder nor a link`);
      }
    }
  }
}
