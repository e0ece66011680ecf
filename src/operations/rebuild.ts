import { existsSync } from "node:fs";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { writeFileDurable } from "../base/fs.ts";
import { type Loaded, parseConfig } from "../config/load.ts";
import type { Repository } from "../repository/repository.ts";
import {
  CONFIG_PATH,
  DESCRIPTION_PATH,
  filePath,
  findPoint,
  type Point,
  type PointDescription,
  pointsAmong,
} from "./points/point.ts";
import type { RepositoryConfig } from "./open/backend.ts";
import { makeParents } from "./points/parents.ts";
import { type Host, openRepositoryAt } from "./system.ts";

export type RebuildFrom = {
  readonly repository: RepositoryConfig;
  /** Which of several systems in the repository. */
  readonly system: string | undefined;
  /** A stamp, the beginning of an id, or "latest". */
  readonly point: string;
};

/** What a new machine is made from. Nothing is written before `putBack`. */
export type Rebuild = {
  /** The configuration as it stood in the point, with the repository that was named. */
  readonly loaded: Loaded;
  /**
   * Writes the configuration and the files that components need; a restore then brings back the
   * data. What is there already stays as it is.
   */
  putBack(run: Run): Promise<void>;
  /** What is left to do before the configuration works here as it did, in words: its key is in no point. */
  leftToDo(): string[];
};

/** Starts anew on an empty machine from repository and key alone. NOT_FOUND, USAGE. */
export async function openRebuild(
  { repository: at, system, point: named }: RebuildFrom,
  folder: string,
  host: Host,
  run: Run,
): Promise<Rebuild> {
  const repository = await openRepositoryAt(at, { isForWork: true }, host, run);
  const points = ofOneSystem(pointsAmong(await repository.snapshots(run)), system);
  const point = findPoint(points, named);
  const { description, text } = await readDescription(repository, point, run);
  const file = description.configFile ?? path.join(folder, "lastgood.yaml");
  const config = parseConfig(text, file);
  return {
    loaded: { config: { ...config, repository: at }, file, text },
    leftToDo: () => leftToDo(config.repository, at, file),
    putBack: (inner) => putBack(repository, point, description, { file, text }, inner),
  };
}

function leftToDo(then: RepositoryConfig, now: RepositoryConfig, file: string): string[] {
  const left: string[] = [];
  if (then.at !== now.at) left.push(`${file} names the repository ${then.at}, not ${now.at}`);
  const key = "file" in then.password ? then.password.file : undefined;
  if (key !== undefined && !existsSync(key)) {
    const from = "file" in now.password ? now.password.file : "the key";
    left.push(`its key is not at ${key} yet: install -D -m 600 ${from} ${key}`);
  }
  return left;
}

function ofOneSystem(points: readonly Point[], named: string | undefined): Point[] {
  const systems = [...new Set(points.map(({ system }) => system))];
  if (named === undefined && systems.length > 1) {
    throw new AppError("USAGE", `restore: the repository has points of ${systems.join(" and ")}`, {
      hint: `Say which: --system ${systems[0]}`,
    });
  }
  return points.filter(({ system }) => named === undefined || system === named);
}

async function readDescription(
  repository: Repository,
  { snapshot }: Point,
  run: Run,
): Promise<{ description: PointDescription; text: string }> {
  return await repository.read(snapshot, run, async (reader) => ({
    description: JSON.parse((await reader.read(DESCRIPTION_PATH)).toString()) as PointDescription,
    text: (await reader.read(CONFIG_PATH)).toString(),
  }));
}

async function putBack(
  repository: Repository,
  { snapshot }: Point,
  { files, folders = {} }: PointDescription,
  config: { readonly file: string; readonly text: string },
  run: Run,
): Promise<void> {
  const isMissing = (file: string): boolean => {
    if (!existsSync(file)) return true;
    run.report({ type: "warning", message: `${file}: is there and stays as it is` });
    return false;
  };
  if (isMissing(config.file)) {
    await makeParents(config.file, folders);
    await writeFileDurable(config.file, Buffer.from(config.text), "refuse", 0o644);
  }
  await repository.read(snapshot, run, async (reader) => {
    for (const [component, list] of Object.entries(files)) {
      for (const target of list.filter(isMissing)) {
        await makeParents(target, folders);
        const { problems } = await reader.file(filePath(component, target), target);
        for (const message of problems) run.report({ type: "warning", message });
      }
    }
  });
}
