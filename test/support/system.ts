import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { folderBackend } from "../../src/backends/folder.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { loadConfig } from "../../src/config/load.ts";
import { backup } from "../../src/operations/backup.ts";
import { openSystem, type System } from "../../src/operations/system.ts";
import { createRepository } from "../../src/repository/repository.ts";
import { CHEAP } from "./repository.ts";
import { PASSWORD } from "./restic.ts";
import { quietRun } from "./temporary.ts";

/** Writes a configuration of one component, makes its repository, and opens the system. */
export async function newSystem(
  folder: string,
  component: object,
  rest: object = {},
  clock: Clock = systemClock,
): Promise<System> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "key"), PASSWORD);
  const config = {
    system: "test",
    repository: { at: "repository", password: { file: "key" } },
    components: { app: component },
    ...rest,
  };
  await writeFile(path.join(folder, "lastgood.yaml"), stringify(config));
  const backend = folderBackend(path.join(folder, "repository"));
  await createRepository(backend, PASSWORD, { cost: CHEAP }, quietRun());
  return await reopenSystem(folder, clock);
}

export async function reopenSystem(folder: string, clock: Clock = systemClock): Promise<System> {
  return await openSystem(await loadConfig(undefined, folder), { env: {}, clock });
}

/** The same with a valid point. */
export async function systemWithPoint(
  folder: string,
  component: object,
  rest: object = {},
): Promise<System> {
  const system = await newSystem(folder, component, rest);
  const { errors } = await backup(system, { include: [], reason: "" }, quietRun());
  assert.deepEqual(errors, []);
  return system;
}
