import path from "node:path";
import type { StoreSwitch } from "../../journal/plan-change.ts";
import { version, type Version } from "../../slots/slot.ts";
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
  const there = await findRelease(target, release);
  const manifest =
    there === undefined
      ? await ofPackage(system, name, release)
      : await parseModuleManifest(path.join(there.folder, "manifest.json"));
  if (manifest === undefined) return [];
  return outsideModules(manifest, target.root).map((one) => ({
    ...one,
    slot: `${name}:${one.path}`,
  }));
}

async function ofPackage(
  { paths }: System,
  name: string,
  release: Version,
): ReturnType<typeof moduleManifestOf> {
  const { file, label } = await readPackageInfo(paths.state, name, release);
  return await moduleManifestOf(file, label);
}

/** They are switched with the release; what they displace is in the release before. */
export function outsideSwitches(
  component: string,
  outside: readonly Outside[],
  to: Version,
  id: string,
): StoreSwitch[] {
  return outside.map(({ slot }) => ({
    slot,
    component,
    to,
    displaced: version(`before-${id}`),
    rejected: version(`rejected-${id}`),
    ready: false,
    isCopy: true,
  }));
}
