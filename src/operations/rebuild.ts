import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { writeFileDurable } from "../base/fs.ts";
import { type Loaded, parseConfig } from "../config/load.ts";
import type { SecretReference } from "../config/schema.ts";
import {
  CONFIG_PATH,
  DESCRIPTION_PATH,
  filePath,
  findPoint,
  type PointDescription,
  pointsAmong,
} from "./points/point.ts";
import { type Host, openRepositoryAt } from "./system.ts";

/**
 * Starts anew on an empty machine from repository and key alone: puts back the configuration and
 * the files that components need, and returns the configuration, with which a restore brings back
 * the data. What is there already stays as it is.
 */
export async function rebuildFrom(
  repositoryAt: { readonly at: string; readonly password: SecretReference },
  named: string,
  folder: string,
  host: Host,
  run: Run,
): Promise<Loaded> {
  const repository = await openRepositoryAt(
    repositoryAt,
    path.join(folder, ".lastgood"),
    host,
    run,
  );
  const point = findPoint(pointsAmong(await repository.snapshots(run)), named);
  return await repository.read(point.snapshot, run, async (reader) => {
    const description = JSON.parse(
      (await reader.read(DESCRIPTION_PATH)).toString(),
    ) as PointDescription;
    const bytes = await reader.read(CONFIG_PATH);
    const file = description.configFile ?? path.join(folder, "lastgood.yaml");
    const text = bytes.toString();
    const config = { ...parseConfig(text, file), repository: repositoryAt };
    if (existsSync(file)) {
      run.report({ type: "warning", message: `${file}: is there and stays as it is` });
    } else {
      await writeFileDurable(file, bytes, "refuse");
    }
    for (const [component, files] of Object.entries(description.files)) {
      for (const target of files) {
        if (existsSync(target)) {
          run.report({ type: "warning", message: `${target}: is there and stays as it is` });
          continue;
        }
        await mkdir(path.dirname(target), { recursive: true });
        const { problems } = await reader.file(filePath(component, target), target);
        if (problems[0] !== undefined) throw new AppError("SOURCE_FAILED", problems[0]);
      }
    }
    return { config, file, text };
  });
}
