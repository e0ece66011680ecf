import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { translateDiskError } from "../../base/disk-errors.ts";
import { AppError, hasCode, nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { makeFolderDurable } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import { needSpace, roomInWords } from "../space.ts";
import { readPackage } from "../../targets/package/package.ts";
import type { System } from "../system.ts";
import { download } from "./download.ts";
import { packageFolder, type PackageInfo, writePackageInfo } from "./package-info.ts";

/** Where a package comes from, and what it has to be. */
export type PackageSource = {
  /** A file, a folder or an http(s) URL. */
  readonly from: string;
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
};

/**
 * Makes a package available to be deployed: fetched if it is elsewhere, and verified. What was
 * fetched before a cut is not fetched again. INVALID_PACKAGE, UNAVAILABLE, NO_SPACE, NOT_FOUND.
 */
export async function fetchPackage(
  system: System,
  component: string,
  version: Version,
  source: PackageSource,
  run: Run,
): Promise<PackageInfo> {
  const { state } = system.paths;
  const isRemote = /^https?:\/\//i.test(source.from);
  const label = isRemote ? withoutSecrets(source.from) : source.from;
  if (isRemote) refuseOtherHosts(system, component, source.from);
  const folder = packageFolder(state, component, version);
  const file = isRemote ? path.join(folder, "package") : path.resolve(source.from);
  try {
    if (isRemote) {
      await makeFolderDurable(folder);
      await refuseFull(file, source.bytes, label);
      const isCertain = source.sha256 !== undefined || source.md5 !== undefined;
      await download(source.from, file, { bytes: source.bytes, isCertain }, run);
    }
    const found = await factsOf(file, run);
    await refuseOther(found, source, label, isRemote ? file : undefined);
    const verifiedAt = system.host.clock.now().toISOString();
    const info: PackageInfo = { version, file, label, verifiedAt, ...found };
    await writePackageInfo(state, component, info);
    return info;
  } catch (error) {
    const translated = translateDiskError(error, `fetch ${label}`);
    // Half a package on a full disk would be in the way of everything else.
    if (isRemote && hasCode(translated, "NO_SPACE")) await rm(file, { force: true });
    throw translated;
  }
}

async function refuseFull(file: string, bytes: number | undefined, label: string): Promise<void> {
  const [full] = (await needSpace([{ path: file, bytes: bytes ?? 0, files: 1 }])).filter(
    ({ enough }) => !enough,
  );
  if (full === undefined) return;
  throw new AppError("NO_SPACE", `fetch ${label}: ${roomInWords(full)}`, {
    hint: "Free space first; lastgood doctor --repair removes releases that nobody needs.",
  });
}

/** Looks at a package without keeping anything of it; one elsewhere is not fetched for that. */
export async function inspectSource(source: PackageSource, run: Run): Promise<void> {
  if (/^https?:\/\//i.test(source.from)) return;
  const file = path.resolve(source.from);
  await refuseOther(await factsOf(file, run), source, source.from, undefined);
  const limits = { bytesMax: Number.MAX_SAFE_INTEGER, entriesMax: Number.MAX_SAFE_INTEGER };
  for await (const entry of readPackage(file, source.from, "/", limits)) {
    if (entry.type !== "file") continue;
    for await (const _part of entry.content) run.signal.throwIfAborted();
  }
}

/** Removes what was fetched of a version. */
export async function forgetPackage(
  { paths }: System,
  component: string,
  version: Version,
): Promise<void> {
  await rm(packageFolder(paths.state, component, version), { recursive: true, force: true });
}

type Facts = Pick<PackageInfo, "bytes" | "sha256" | "md5">;

/** Of a folder there is no checksum. */
async function factsOf(file: string, run: Run): Promise<Facts> {
  const found = await stat(file).catch(nothingThere);
  if (found === undefined) {
    throw new AppError("NOT_FOUND", `read package ${file}: there is no such file`, {
      hint: "Name a zip or tar file, a folder, or a URL.",
    });
  }
  if (found.isDirectory()) return { bytes: undefined, sha256: undefined, md5: undefined };
  // Whoever reads a pipe may wait for ever.
  if (!found.isFile()) {
    throw new AppError(
      "INVALID_PACKAGE",
      `read package ${file}: it is neither a file nor a folder`,
    );
  }
  const hashes: Hash[] = [createHash("sha256"), createHash("md5")];
  for await (const part of createReadStream(file, { signal: run.signal })) {
    for (const hash of hashes) hash.update(part as Buffer);
  }
  const [sha256, md5] = hashes.map((hash) => hash.digest("hex"));
  return { bytes: found.size, sha256, md5 };
}

/** What was fetched and is not what was said is removed: trying again would go on with it. */
async function refuseOther(
  found: Facts,
  source: PackageSource,
  label: string,
  fetched: string | undefined,
): Promise<void> {
  const words = { bytes: "size", sha256: "sha256", md5: "MD5" } as const;
  for (const [key, word] of Object.entries(words) as [keyof Facts, string][]) {
    const expected = source[key];
    if (expected === undefined || String(expected).toLowerCase() === String(found[key])) continue;
    if (fetched !== undefined) await rm(fetched, { force: true });
    const message = `${word} is ${found[key] ?? "none: it is a folder"}, not ${expected}`;
    throw new AppError("INVALID_PACKAGE", `verify ${label}: its ${message}`, {
      hint: "It was cut, changed on the way, or is another package. Nothing was changed.",
    });
  }
}

function refuseOtherHosts({ config }: System, component: string, url: string): void {
  const hosts = config.components[component]?.target?.["package-hosts"];
  const { host, hostname } = new URL(url);
  if (hosts === undefined || hosts.includes(host) || hosts.includes(hostname)) return;
  throw new AppError("REFUSED", `fetch from ${host}: packages do not come from there`, {
    hint: `Name it under components.${component}.target.package-hosts.`,
  });
}

/** A URL as it may be shown and written down. */
function withoutSecrets(url: string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.search = "";
  return shown.toString();
}
