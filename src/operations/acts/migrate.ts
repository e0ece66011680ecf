import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { execOk } from "../../base/exec.ts";
import type { Version } from "../../slots/slot.ts";
import { readReleaseFile } from "../../targets/release-file.ts";
import type { Component } from "../components.ts";

const MS_MAX = 60 * 60_000;

/**
 * Runs what a release says has to be done to the data before it starts. A copy of them was saved;
 * after a crash they go back to it, and it is run again from there.
 */
export async function migrate(
  { name, target, config }: Component,
  version: Version,
  run: Run,
): Promise<void> {
  const release = (await target?.releases())?.find((one) => one.version === version);
  const command =
    release === undefined ? undefined : (await readReleaseFile(release.folder))?.migrate;
  if (command === undefined || release === undefined) return;
  if (config.target?.["post-commands"] !== "run") {
    throw new AppError("REFUSED", `migrate ${name}: ${version} wants to run ${command[0]}`, {
      hint: "If releases may: target.post-commands: run",
    });
  }
  await execOk(command, { timeoutMs: MS_MAX, folder: release.folder, isPlain: true }, run);
}
