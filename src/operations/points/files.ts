import { rm } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { System } from "../system.ts";
import { listPoints } from "./catalogue.ts";
import { findPoint } from "./point.ts";

/** What lies in a folder of a point. */
export type PointFiles = {
  readonly stamp: string;
  readonly folder: string;
  readonly files: readonly {
    readonly name: string;
    readonly type: string;
    readonly bytes?: number;
    readonly modified: string;
    readonly mode: string;
  }[];
};

/** NOT_FOUND. */
export async function listFiles(
  system: System,
  named: string,
  folder: string,
  run: Run,
): Promise<PointFiles> {
  const point = findPoint(await listPoints(system, run), named);
  const repository = await system.repository(run);
  const at = folder.replaceAll(/^\/+|\/+$/g, "");
  const files = await repository.read(point.snapshot, run, async (reader) =>
    (await reader.list(at)).map(({ name, node: { type, sizeBytes, mtime, mode } }) => ({
      name,
      type,
      modified: mtime,
      mode: (mode & 0o7777).toString(8),
      ...(type === "file" ? { bytes: sizeBytes } : {}),
    })),
  );
  return { stamp: point.stamp, folder: `/${at}`, files };
}

/** Writes one file of a point to a path where nothing is yet. NOT_FOUND; ALREADY_EXISTS. */
export async function saveFile(
  system: System,
  named: string,
  file: string,
  target: string,
  run: Run,
): Promise<{ readonly stamp: string; readonly file: string; readonly to: string }> {
  const point = findPoint(await listPoints(system, run), named);
  const repository = await system.repository(run);
  const to = path.resolve(target);
  await repository.read(point.snapshot, run, async (reader) => {
    try {
      await reader.file(file.replace(/^\/+/, ""), to);
    } catch (error) {
      // Half a file must not be taken for the whole.
      if (!hasCode(error, "ALREADY_EXISTS")) await rm(to, { force: true });
      throw error;
    }
  });
  return { stamp: point.stamp, file, to };
}
