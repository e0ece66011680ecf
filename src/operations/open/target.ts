import type { ComponentConfig } from "../../config/schema.ts";
import { folderTarget } from "../../targets/folder/folder.ts";
import { readPackage } from "../../targets/package/package.ts";
import type { Target } from "../../targets/target.ts";
import type { Surroundings } from "../components.ts";
import { readPackageInfo } from "../releases/package-info.ts";

const ENTRIES_MAX = 200_000;

/** Undefined when the configuration does not say where the component's releases live. */
export function openTarget(
  name: string,
  { target }: Pick<ComponentConfig, "target">,
  { state, clock, effects }: Surroundings,
): Target | undefined {
  if (target === undefined) return undefined;
  const limits = { bytesMax: target["max-size"], entriesMax: ENTRIES_MAX };
  return folderTarget({
    name,
    root: target.folder,
    keep: target.keep,
    clock,
    ...(effects === undefined ? {} : { effects }),
    source: async (version) => {
      const { file, label } = await readPackageInfo(state, name, version);
      return readPackage(file, label, limits);
    },
  });
}
