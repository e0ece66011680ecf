import { lstat, readlink, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../base/clock.ts";
import { namesIn } from "../../base/effects.ts";
import { nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { type Adopted, POINTERS, type Target, versionOf } from "../target.ts";
import { manifestFile, releaseFolder } from "./layout.ts";
import { findAll, manifestOf, readManifest, writeManifest } from "./manifest.ts";

/**
 * Takes over what another updater left: each release without a manifest gets one of what it is now;
 * those that a link leads to count as good. Links that were moved into a release by mistake are
 * removed; nothing else is touched.
 */
export async function adoptReleases(target: Target, clock: Clock, run: Run): Promise<Adopted> {
  const { root } = target;
  const adopted: Version[] = [];
  const problems: { problem: string; hint: string }[] = [];
  for (const stray of await strayLinks(root)) {
    await rm(stray);
    const problem = `${path.relative(root, stray)}: a link that was moved there by mistake`;
    problems.push({ problem, hint: "It is removed." });
  }
  const pointers = await target.pointers();
  for (const name of POINTERS) {
    const pointer = pointers[name];
    if (pointer.state === "to" || pointer.state === "none") continue;
    const leads = pointer.state === "dangling" ? `leads to ${pointer.target}` : "is no link";
    problems.push({
      problem: `${name} ${leads}`,
      hint: "Repair it with: lastgood doctor --repair",
    });
  }
  const at = clock.now();
  for (const { version } of await target.releases()) {
    if ((await readManifest(manifestFile(root, version))) !== undefined) continue;
    const odd = await oddNames(releaseFolder(root, version));
    if (odd !== undefined) {
      problems.push({ problem: `${version}: ${odd}`, hint: "Remove it from the release first." });
      continue;
    }
    await writeManifest(
      manifestFile(root, version),
      await manifestOf(releaseFolder(root, version), run),
    );
    const rank = ["factory", "previous", "current"].findLastIndex(
      (name) => versionOf(pointers[name as "current"]) === version,
    );
    if (rank >= 0) {
      const committed = new Date(at.getTime() - (2 - rank) * 1000).toISOString();
      await target.mark(version, { verdict: "good", committed, at: committed, reason: "adopted" });
    }
    adopted.push(version);
  }
  return { adopted, problems };
}

/**
 * What `ln -s v1 .current.tmp; mv .current.tmp current` leaves in the release that was live, and
 * what its crash leaves beside the releases: links to a release that nothing else would make.
 */
async function strayLinks(root: string): Promise<string[]> {
  const stray: string[] = [];
  for (const name of await namesIn(root)) {
    const file = path.join(root, name);
    if (/^\.(current|previous|factory|tmp)/.test(name) && (await isReleaseLink(file)))
      stray.push(file);
    const isRelease = /^v\d/.test(name) && (await lstat(file)).isDirectory();
    for (const inner of isRelease ? await namesIn(file) : []) {
      const link = path.join(file, inner);
      const leadsNowhere = (await stat(link).catch(nothingThere)) === undefined;
      if (leadsNowhere && (await isReleaseLink(link))) stray.push(link);
    }
  }
  return stray;
}

async function isReleaseLink(file: string): Promise<boolean> {
  const found = await lstat(file).catch(nothingThere);
  return found?.isSymbolicLink() === true && /^v\d[\w.+-]*$/.test(await readlink(file));
}

async function oddNames(folder: string): Promise<string | undefined> {
  for (const found of (await findAll(folder)).values()) {
    if (found.type === "other") return `${found.path} is neither a file, a folder nor a link`;
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(found.path)) return `${JSON.stringify(found.path)} is no name`;
  }
  return undefined;
}
