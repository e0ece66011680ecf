import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Command, execOk } from "../../base/exec.ts";
import type { Version } from "../../slots/slot.ts";
import { readReleaseFile } from "../../targets/release-file.ts";
import type { Component } from "../components.ts";

const MS_MAX = 60 * 60_000;

/**
 * Runs what a release says has to be done to the data before it starts. A copy of them was saved;
 * after a crash they go back to it, and it is run again from there.
 */
export async function migrate(component: Component, version: Version, run: Run): Promise<void> {
  const { folder, command } = await migrationOf(component, version);
  if (command === undefined) return;
  await execOk(command, { timeoutMs: MS_MAX, folder, isPlain: true, diesWithUs: true }, run);
}

/** REFUSED, while everything still runs, when a release wants to and must not. */
export async function refuseMigration(component: Component, version: Version): Promise<void> {
  if (mayMigrate(component)) return;
  const { command } = await migrationOf(component, version);
  if (command === undefined) return;
  throw new AppError(
    "REFUSED",
    `stage ${version} of ${component.name}: it wants to run ${command[0]}`,
    {
      hint: "If releases may: target.post-commands: run",
    },
  );
}

/** Whether releases of a component may have something done to its data before they start. */
export function mayMigrate({ config, stores }: Component): boolean {
  return config.target?.["post-commands"] === "run" && stores.length > 0;
}

async function migrationOf(
  { target }: Component,
  version: Version,
): Promise<{ folder: string; command: Command | undefined }> {
  const release = (await target?.releases())?.find((one) => one.version === version);
  if (release === undefined) return { folder: "", command: undefined };
  return { folder: release.folder, command: (await readReleaseFile(release.folder))?.migrate };
}
