import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../../base/effects.ts";
import { translateDiskError } from "../../base/disk-errors.ts";
import { AppError, systemCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { livePathsOf } from "../../stores/store.ts";
import { needSpace, roomInWords } from "../space.ts";
import type { System } from "../system.ts";
import { packageFor } from "./package-info.ts";
import type { Deployable } from "./target-of.ts";

/** What packed files may become; the unpacking itself stops at the real limit. */
const UNPACKED_RATIO = 2;

/** NO_SPACE when a release, or the copies of what it may change, would not fit. */
export async function refuseNoRoom(
  system: System,
  { name, target, stores }: Deployable,
  staged: Version | undefined,
  run: Run,
): Promise<void> {
  await access(target.root, constants.W_OK).catch((error: unknown) => {
    // A folder that is not there yet is made.
    if (systemCode(error) !== "ENOENT") throw translateDiskError(error, `write to ${target.root}`);
  });
  const needs: { path: string; bytes: number; files: number }[] = [];
  if (staged !== undefined) {
    const { bytes = 0 } = (await packageFor(system.paths.state, { name, target }, staged)) ?? {};
    needs.push({ path: path.join(target.root, "x"), bytes: bytes * UNPACKED_RATIO, files: 100 });
  }
  for (const file of livePathsOf(stores)) {
    run.signal.throwIfAborted();
    needs.push({ path: file, ...(await sizeOf(file)) });
  }
  const full = (await needSpace(needs)).find(({ enough }) => !enough);
  if (full === undefined) return;
  const { folder } = full;
  throw new AppError("NO_SPACE", `deploy ${name} in ${folder}: ${roomInWords(full)}`, {
    hint: "Free space, end old restores (lastgood keep), or remove releases: lastgood releases",
  });
}

async function sizeOf(file: string): Promise<{ bytes: number; files: number }> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return { bytes: 0, files: 0 };
  if (!found.isDirectory()) return { bytes: found.size, files: 1 };
  let [bytes, files] = [0, 1];
  for (const name of await namesIn(file)) {
    const below = await sizeOf(path.join(file, name));
    bytes += below.bytes;
    files += below.files;
  }
  return { bytes, files };
}
