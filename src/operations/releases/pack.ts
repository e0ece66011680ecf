import { createReadStream, createWriteStream } from "node:fs";
import { lstat, rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import { namesIn } from "../../base/effects.ts";
import { AppError, nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { execOk } from "../../base/exec.ts";
import { putInPlace, syncFile, temporaryIn } from "../../base/fs.ts";
import { sha256Of } from "../../targets/folder/manifest.ts";
import { RELEASE_FILE, type ReleaseFile, readReleaseFile } from "../../targets/release-file.ts";

export type PackOptions = {
  /** Where the package is written. */
  readonly out: string;
  /** By store, the folder in which the application's migrations lie, an entry each. */
  readonly migrations: Readonly<Record<string, string>>;
};

export type Packed = { readonly file: string; readonly bytes: number; readonly sha256: string };

const MS_MAX = 60 * 60_000;

/**
 * Makes a package of a folder. REFUSED when a migration in it says neither that it only adds nor
 * that it breaks what came before: nobody could tell later whether going back is safe.
 */
export async function packRelease(folder: string, options: PackOptions, run: Run): Promise<Packed> {
  if ((await stat(folder).catch(nothingThere))?.isDirectory() !== true) {
    throw new AppError("NOT_FOUND", `pack ${folder}: there is no such folder`);
  }
  if (/\.(zip|tar|gz|tgz|xz|bz2)$/i.test(options.out)) {
    throw new AppError("USAGE", `pack: ${options.out} would be no such file: it writes tar.zst`, {
      hint: "Name it NAME.tar.zst. A package to deploy may be a zip file, too.",
    });
  }
  const release = await readReleaseFile(folder);
  for (const [store, migrations] of Object.entries(options.migrations)) {
    await refuseUndeclared(store, path.resolve(folder, migrations), release);
  }
  const out = path.resolve(options.out);
  const plain = temporaryIn(path.dirname(out));
  const packed = temporaryIn(path.dirname(out));
  try {
    const same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner"];
    await execOk(["tar", "-C", folder, ...same, "-cf", plain, "."], { timeoutMs: MS_MAX }, run);
    const to = createWriteStream(packed, { flags: "wx" });
    await pipeline(createReadStream(plain), createZstdCompress(), to, { signal: run.signal });
    await syncFile(packed);
    await putInPlace(packed, out, "refuse").catch((error: unknown) => {
      throw new AppError("ALREADY_EXISTS", `write ${out}: it is there already`, { cause: error });
    });
  } finally {
    for (const file of [plain, packed]) await rm(file, { force: true });
  }
  return { file: out, bytes: (await stat(out)).size, sha256: await sha256Of(out, run) };
}

async function refuseUndeclared(
  store: string,
  folder: string,
  release: ReleaseFile | undefined,
): Promise<void> {
  const declared = release?.migrations[store] ?? {};
  const reads = release?.reads[store] ?? [];
  for (const name of await migrationsIn(folder)) {
    if (declared[name] === undefined) {
      throw new AppError("REFUSED", `pack: migration ${name} does not say what it does`, {
        hint: `Add it to ${RELEASE_FILE}: "migrations": { "${store}": { "${name}": "additive" } }, or "breaking" when older releases cannot read what it leaves.`,
      });
    }
    if (!reads.includes(name)) {
      throw new AppError("REFUSED", `pack: the release does not say that it reads ${name}`, {
        hint: `Add it to ${RELEASE_FILE}: "reads": { "${store}": [ …, "${name}" ] }`,
      });
    }
  }
}

/** The entries of the folder, by their names without endings; Prisma has a lock file among them. */
async function migrationsIn(folder: string): Promise<string[]> {
  if ((await lstat(folder).catch(nothingThere)) === undefined) {
    throw new AppError("NOT_FOUND", `pack: there is no folder of migrations ${folder}`);
  }
  const names = (await namesIn(folder)).filter((name) => !/^[._]|\.toml$/.test(name));
  return [...new Set(names.map((name) => name.replace(/\.[a-z]+$/, "")))].toSorted();
}
