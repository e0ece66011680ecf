import { lstat, stat } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../../base/effects.ts";
import { AppError, nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { StoreSwitch } from "../../journal/plan-change.ts";
import { placeOf } from "../../slots/place.ts";
import { version, type Version } from "../../slots/slot.ts";
import { sha256Of } from "../../targets/folder/manifest.ts";
import type { Outside } from "../../targets/folder/outside.ts";
import { outsideModules, parseModuleManifest } from "../../targets/package/modules.ts";
import { moduleManifestOf } from "../../targets/package/package.ts";
import type { System } from "../system.ts";
import { readPackageInfo } from "./package-info.ts";
import { type Deployable, findRelease } from "./target-of.ts";

/** What of a release, or of its package, has to lie outside of the releases too. */
export async function outsideOf(
  system: System,
  { name, target }: Deployable,
  release: Version,
): Promise<Outside[]> {
  // An image has all it needs inside.
  if (target.fetchesItself === true) return [];
  const there = await findRelease(target, release);
  const manifest =
    there === undefined
      ? await ofPackage(system, name, release)
      : await parseModuleManifest(path.join(there.folder, "manifest.json"));
  if (manifest === undefined) return [];
  const outside = outsideModules(manifest, target.root);
  for (const one of outside) await refusePlace(system, one.path);
  return outside.map((one) => ({ ...one, slot: `${name}:${one.path}` }));
}

async function ofPackage(
  { paths }: System,
  name: string,
  release: Version,
): ReturnType<typeof moduleManifestOf> {
  const { file, label } = await readPackageInfo(paths.state, name, release);
  return await moduleManifestOf(file, label);
}

/** A package must not put a file in place of a folder, or into what lastgood itself lives of. */
async function refusePlace(
  { paths, config, loaded, components }: System,
  file: string,
): Promise<void> {
  const problem = (what: string): AppError =>
    new AppError("INVALID_PACKAGE", `put ${file}: ${what}`, {
      hint: "Nothing was changed. Have the package made again.",
    });
  if ((await stat(file).catch(() => undefined))?.isDirectory() === true)
    throw problem("it is a folder");
  const own = [
    paths.state,
    config.repository.at,
    path.dirname(loaded.file),
    ...components.flatMap(({ target }) => (target === undefined ? [] : [target.root])),
  ];
  const inside = own.find((folder) => file === folder || file.startsWith(`${folder}/`));
  if (inside !== undefined) throw problem(`${inside} is lastgood's own`);
}

/**
 * How they are switched with the release. What they displace stays aside, unless the release before
 * has the very same file.
 */
export async function outsideSwitches(
  { name, target }: Deployable,
  outside: readonly Outside[],
  to: Version,
  from: Version | undefined,
  id: string,
  run: Run,
): Promise<StoreSwitch[]> {
  const before = (await target.releases()).find(({ version: one }) => one === from);
  return await Promise.all(
    outside.map(async ({ slot, path: file, inRelease }): Promise<StoreSwitch> => {
      const old = before === undefined ? undefined : path.join(before.folder, inRelease);
      return {
        slot,
        component: name,
        to,
        displaced: version(`before-${id}`),
        rejected: version(`rejected-${id}`),
        ready: false,
        isOfRelease: true,
        isCopy: old !== undefined && (await isSameFile(file, old, run)),
      };
    }),
  );
}

/** Files of the factory release that differ from what lies there now: a way to it switches them. */
export async function outsideOfFactory(
  system: System,
  component: Deployable,
  factory: Version | undefined,
  run: Run,
): Promise<Outside[]> {
  if (factory === undefined) return [];
  const release = await findRelease(component.target, factory);
  const outside: Outside[] = [];
  for (const one of await outsideOf(system, component, factory)) {
    const source = path.join(release?.folder ?? "", one.inRelease);
    if (!(await isSameFile(one.path, source, run))) outside.push(one);
  }
  return outside;
}

/** Under which names lies what they displace. */
export function displacing(
  outside: readonly Outside[],
  id: string,
): Pick<StoreSwitch, "slot" | "displaced">[] {
  return outside.map(({ slot }) => ({ slot, displaced: version(`before-${id}`) }));
}

/** Each slot once. */
export function together(...all: readonly (readonly Outside[])[]): Outside[] {
  return [...new Map(all.flat().map((one) => [one.slot, one])).values()];
}

async function isSameFile(file: string, other: string, run: Run): Promise<boolean> {
  const [a, b] = await Promise.all([file, other].map((one) => lstat(one).catch(nothingThere)));
  if (a?.isFile() !== true || b?.isFile() !== true || a.size !== b.size) return false;
  return (await sha256Of(file, run)) === (await sha256Of(other, run));
}

/**
 * Files that only the release that is left has go back to what was there before it. Without that
 * they stay, with a word.
 */
export async function outsideBack(
  component: string,
  left: readonly Outside[],
  kept: readonly Outside[],
  id: string,
  run: Run,
): Promise<{ outside: Outside[]; switches: StoreSwitch[] }> {
  const [outside, switches]: [Outside[], StoreSwitch[]] = [[], []];
  for (const one of left) {
    if (kept.some(({ slot }) => slot === one.slot)) continue;
    const names = await namesIn(placeOf(one.path, []).versionsFolder);
    const newest = names
      .filter((name) => name.startsWith("=before-"))
      .toSorted()
      .at(-1);
    if (newest === undefined) {
      const message = `${one.path} stays as it is: what was there before is not known any more`;
      run.report({ type: "warning", message });
      continue;
    }
    const to = version(newest.slice(1));
    const displaced = version(`before-${id}`);
    outside.push(one);
    switches.push({
      slot: one.slot,
      component,
      to,
      displaced,
      rejected: to,
      ready: true,
      isCopy: true,
    });
  }
  return { outside, switches };
}
