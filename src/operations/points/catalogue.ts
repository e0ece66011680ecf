import { readFile } from "node:fs/promises";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Repository } from "../../repository/repository.ts";
import type { System } from "../system.ts";
import {
  DESCRIPTION_PATH,
  findPoint,
  type Point,
  type PointDescription,
  pointsAmong,
} from "./point.ts";

/** What is known of a point without opening the repository. */
export type Listed = {
  readonly stamp: string;
  readonly snapshot: string;
  readonly time: string;
  readonly valid: boolean;
  readonly errors: readonly string[];
  readonly pinned: boolean;
  readonly stores: readonly string[];
  readonly releases: Readonly<Record<string, string>>;
};

/** The points as they were last seen, oldest first; without safety points. */
export type Catalogue = {
  readonly at: string;
  /** Where: of another repository it says nothing. */
  readonly repository: string;
  readonly points: readonly Listed[];
};

/** All points of this system, oldest first; what was found is remembered for `status`. */
export async function listPoints(system: System, run: Run): Promise<Point[]> {
  const repository = await system.repository(run);
  const points = pointsAmong(await repository.snapshots(run)).filter(
    (point) => point.system === system.name,
  );
  await rememberPoints(system, points);
  return points;
}

/** NOT_FOUND when one of these is no point: somebody mistyped it, and nothing is the matter. */
export async function refuseUnknown(
  system: System,
  named: readonly string[],
  run: Run,
): Promise<void> {
  if (named.length === 0) return;
  const points = await listPoints(system, run);
  for (const one of named) findPoint(points, one);
}

/** A catalogue that cannot be written is no reason to fail: it is only remembered. */
export async function rememberPoints(system: System, points: readonly Point[]): Promise<void> {
  const catalogue: Catalogue = {
    at: system.host.clock.now().toISOString(),
    repository: system.config.repository.at,
    points: points
      .filter(({ isSafety }) => !isSafety)
      .map(({ stamp, snapshot, valid, errors, pinned, stores, releases }) => ({
        stamp,
        snapshot: snapshot.id,
        time: snapshot.time,
        valid,
        errors,
        pinned,
        stores,
        releases,
      })),
  };
  const bytes = Buffer.from(JSON.stringify(catalogue));
  await writeFileDurable(system.paths.catalogue, bytes, "replace").catch(() => {});
}

/** Undefined when nothing was remembered yet. */
export async function readCatalogue(system: System): Promise<Catalogue | undefined> {
  try {
    const found = JSON.parse(await readFile(system.paths.catalogue, "utf8")) as Catalogue;
    return found.repository === system.config.repository.at ? found : undefined;
  } catch {
    // It is a memory only: without it, or with a damaged one, `points` makes it anew.
    return undefined;
  }
}

export async function describePoint(
  repository: Repository,
  point: Point,
  run: Run,
): Promise<PointDescription> {
  return await repository.read(point.snapshot, run, async (reader) => {
    return JSON.parse((await reader.read(DESCRIPTION_PATH)).toString()) as PointDescription;
  });
}
