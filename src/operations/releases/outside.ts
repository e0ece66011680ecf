import { lstat, stat } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../../base/effects.ts";
import { AppError, hasCode, nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { StoreSwitch } from "../../journal/plan-change.ts";
import { placeOf } from "../../slots/place.ts";
import { version, type Version } from "../../slots/slot.ts";
import { sha256Of } from "../../targets/folder/manifest.ts";
import type { Outside } from "../../targets/folder/outside.ts";
import {
  type OutsideModule,
  outsideModules,
  parseModuleManifest,
} from "../../targets/package/modules.ts";
import { moduleManifestOf } from "../../targets/package/package.ts";
import type { Target } from "../../targets/target.ts";
import type { OperationSetup } from "../begin.ts";
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
  if (there !== undefined) return await outsideIn(system, name, target, there.folder);
  const manifest = await ofPackage(system, name, release);
  return manifest === undefined
    ? []
    : await placed(system, name, outsideModules(manifest, target.root));
}

/** Only what was unpacked as such counts: any release may have a file of that name. */
async function outsideIn(
  system: System,
  name: string,
  target: Target,
  folder: string,
): Promise<Outside[]> {
  if ((await namesIn(path.join(folder, "outside"))).length === 0) return [];
  const manifest = await parseModuleManifest(path.join(folder, "manifest.json"));
  if (manifest === undefined) return [];
  const outside: OutsideModule[] = [];
  for (const one of outsideModules(manifest, target.root)) {
    const found = await lstat(path.join(folder, one.inRelease)).catch(nothingThere);
    if (found?.isFile() === true) outside.push(one);
  }
  return await placed(system, name, outside);
}

async function placed(
  system: System,
  name: string,
  outside: readonly OutsideModule[],
): Promise<Outside[]> {
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
 * The same of a release that is left. One whose own list cannot be read is left all the same: that it is
 * damaged is mostly why.
 */
export async function outsideOfLeft(
  system: System,
  component: Deployable,
  release: Version,
  run: Run,
): Promise<Outside[]> {
  return await outsideOf(system, component, release).catch((error: unknown) => {
    if (!hasCode(error, "INVALID_PACKAGE")) throw error;
    const message = `files of ${release} outside of the releases stay: ${(error as Error).message}`;
    run.report({ type: "warning", message });
    return [];
  });
}

/**
 * Files that only the release that is left has go back to what was there before it. Without that
 * they stay, with a word.
 */
export async function outsideBack(
  system: System,
  { name: component, target }: Deployable,
  { from, to }: { readonly from: Version | undefined; readonly to: Version },
  left: readonly Outside[],
  kept: readonly Outside[],
  id: string,
  run: Run,
): Promise<StoreSwitch[]> {
  const since = leftBy(system, component, to);
  const before = from === undefined ? undefined : await findRelease(target, from);
  const switches: StoreSwitch[] = [];
  for (const one of left) {
    if (kept.some(({ slot }) => slot === one.slot)) continue;
    const aside = (await namesIn(placeOf(one.path, []).versionsFolder))
      .filter((name) => name.startsWith(BEFORE))
      .toSorted();
    // What lay there when the release was left to which it goes back.
    const then =
      since === undefined ? aside.at(-1) : aside.find((name) => name >= `${BEFORE}${since}`);
    if (then === undefined) {
      const message = `${one.path} stays as it is: what was there before is not known any more`;
      run.report({ type: "warning", message });
      continue;
    }
    const own = before === undefined ? undefined : path.join(before.folder, one.inRelease);
    switches.push({
      slot: one.slot,
      component,
      to: version(then.slice(1)),
      displaced: version(`before-${id}`),
      rejected: version(then.slice(1)),
      ready: true,
      // Whoever has changed it since finds it there.
      isCopy: own !== undefined && (await isSameFile(one.path, own, run)),
    });
  }
  return switches;
}

const BEFORE = "=before-";

/** The operation with which a release was left last. */
function leftBy({ journal }: System, component: string, release: Version): string | undefined {
  return journal.releaseChanges().find(({ setup, outcome }) => {
    const change = (setup as OperationSetup).release;
    return outcome === "committed" && change?.component === component && change.from === release;
  })?.id;
}
