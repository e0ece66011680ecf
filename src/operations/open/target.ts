import { AppError } from "../../base/errors.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { folderTarget } from "../../targets/folder/folder.ts";
import { moduleManifestOf, readPackage } from "../../targets/package/package.ts";
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
      const entries = readPackage(file, label, target.folder, limits);
      return { entries, commands: await commandsOf(file, label, target["post-commands"]) };
    },
  });
}

/** What a package wants to have run is only run where the configuration says so. */
async function commandsOf(
  file: string,
  label: string,
  mode: "run" | "refuse",
): Promise<readonly string[]> {
  const manifest = await moduleManifestOf(file, label);
  const commands = manifest?.modules.flatMap((module) => module.post_cmds ?? []) ?? [];
  const [first] = commands;
  if (first === undefined || mode === "run") return commands;
  throw new AppError("REFUSED", `deploy ${label}: it wants to run ${JSON.stringify(first)}`, {
    hint: "If packages may: target.post-commands: run",
  });
}
