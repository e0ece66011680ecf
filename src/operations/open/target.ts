import { AppError } from "../../base/errors.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { folderTarget } from "../../targets/folder/folder.ts";
import { moduleManifestOf, readPackage } from "../../targets/package/package.ts";
import { sha256Of } from "../../targets/folder/manifest.ts";
import type { Runner } from "../../runners/runner.ts";
import type { Target } from "../../targets/target.ts";
import type { Surroundings } from "../components.ts";
import { openImageTarget } from "./image.ts";
import { type PackageInfo, readPackageInfo } from "../releases/package-info.ts";

const ENTRIES_MAX = 200_000;

/** Undefined when the configuration does not say where the component's releases live. */
export function openTarget(
  name: string,
  { target }: Pick<ComponentConfig, "target">,
  runner: Runner | undefined,
  around: Surroundings,
): Target | undefined {
  if (target === undefined) return undefined;
  const { folder: root, image } = target;
  if (image !== undefined) return openImageTarget(name, { ...target, image }, around);
  if (root === undefined) return undefined;
  const { state, clock, effects } = around;
  const limits = { bytesMax: target["max-size"], entriesMax: ENTRIES_MAX };
  return folderTarget({
    name,
    root,
    keep: target.keep,
    clock,
    ...(effects === undefined ? {} : { effects }),
    source: async (version) => {
      const info = await readPackageInfo(state, name, version);
      const { file, label } = info;
      await refuseChanged(info);
      const entries = readPackage(file, label, root, limits);
      const commands = await commandsOf(file, label, target["post-commands"]);
      return { entries, commands, mayLink: await isOthersOnly(runner) };
    },
  });
}

/** Between being looked at and being unpacked a file may have been replaced. */
async function refuseChanged({ file, label, sha256 }: PackageInfo): Promise<void> {
  const run = { signal: new AbortController().signal, report: () => {} };
  if (sha256 === undefined || (await sha256Of(file, run)) === sha256) return;
  throw new AppError("INVALID_PACKAGE", `read package ${label}: it changed since it was verified`, {
    hint: "Nothing was changed. Begin again with --from.",
  });
}

/** Whether the component certainly runs as somebody who cannot write to root's files. */
async function isOthersOnly(runner: Runner | undefined): Promise<boolean> {
  const run = { signal: new AbortController().signal, report: () => {} };
  const users = await runner?.users?.(run).catch(() => undefined);
  return (
    users !== undefined &&
    users.length > 0 &&
    !users.some((user) => user === "root" || user === "0")
  );
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
