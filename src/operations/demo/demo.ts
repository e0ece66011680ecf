import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../base/clock.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { loadConfig } from "../../config/load.ts";
import { BACKENDS } from "../../plugins.ts";
import { createRepository } from "../../repository/repository.ts";
import { backup } from "../backup.ts";
import { restore } from "../restore.ts";
import { type Host, openSystem, type System } from "../system.ts";
import { demoConfig } from "./config.ts";
import { damage, inspectNotes } from "./damage.ts";

export type Demo = {
  readonly rowsBefore: number;
  readonly rowsInPoint: number;
  readonly rowsBack: number;
  readonly backupMs: number;
  readonly restoreMs: number;
  readonly dataBytes: number;
  readonly repositoryBytes: number;
  readonly elapsedMs: number;
};

const ROWS_FIRST = 5000;
const VECTOR_FILES = 20;
const VECTOR_BYTES = 256 * 1024;

/** Tells the story of a loss with the real program on real files, in a folder that is gone after. */
export async function demo(host: Host, tell: (line: string) => void, run: Run): Promise<Demo> {
  const started = monotonicMs();
  const folder = await mkdtemp(path.join(os.tmpdir(), "lastgood-demo-"));
  try {
    const system = await setUp(folder, host, run);
    using _opened = system;
    try {
      return { ...(await play(system, folder, tell, run)), elapsedMs: monotonicMs() - started };
    } finally {
      const toTheEnd: Run = { ...run, signal: new AbortController().signal };
      await appOf(system).runner?.stop(toTheEnd);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function setUp(folder: string, host: Host, run: Run): Promise<System> {
  const data = path.join(folder, "data");
  await mkdir(path.join(data, "vectors"), { recursive: true });
  await writeFile(path.join(data, "registry.json"), JSON.stringify({ projects: ["demo"] }));
  for (let i = 0; i < VECTOR_FILES; i++) {
    await writeFile(path.join(data, "vectors", `segment-${i}.bin`), randomBytes(VECTOR_BYTES));
  }
  const password = randomBytes(32).toString("base64url");
  await writeFile(path.join(folder, "key"), password, { mode: 0o600 });
  await createRepository(await BACKENDS.folder(path.join(folder, "repository")), password, {}, run);
  const file = path.join(folder, "lastgood.yaml");
  await writeFile(file, demoConfig(folder));
  return await openSystem(await loadConfig(file, folder), host);
}

async function play(
  system: System,
  folder: string,
  tell: (line: string) => void,
  run: Run,
): Promise<Omit<Demo, "elapsedMs">> {
  const database = path.join(folder, "data", "app.db");
  const app = appOf(system);
  await app.runner!.start(run);
  const rowsBefore = await waitForRows(database, ROWS_FIRST, run);
  tell(`An application writes to SQLite without pause; ${rowsBefore} rows are committed so far.`);

  const point = await backup(system, { include: [], reason: "demo" }, run);
  if (!point.valid) throw new AppError("POINT_INVALID", `demo: ${point.errors.join(", ")}`);
  const rowsInPoint = await rowsOf(system, point.stamp, run);
  tell(
    `Recovery point ${point.stamp}: ${rowsInPoint} rows, proven in ${Math.round(point.elapsedMs)} ms.`,
  );

  await damage(path.join(folder, "data"));
  tell("Then the database is overwritten, the registry cut short, half of the vectors deleted.");

  const restored = await restore(system, point.stamp, { reason: "demo", force: false }, run);
  if (restored.outcome !== "committed") {
    throw new AppError("UNHEALTHY", `demo: ${restored.outcome}: ${restored.error ?? ""}`);
  }
  await app.runner!.stop(run);
  const { rows, firstMissing, damaged } = inspectNotes(database, rowsInPoint);
  const vectors = (await readdir(path.join(folder, "data", "vectors"))).length;
  const isBack = firstMissing === undefined && damaged === 0 && rowsInPoint >= rowsBefore;
  if (!isBack || vectors !== VECTOR_FILES) {
    throw new AppError("UNHEALTHY", `demo: row ${firstMissing} is missing, ${damaged} are damaged`);
  }
  tell(
    `Restored: rows 1 to ${rowsInPoint} are all there, each with its checksum; the application runs.`,
  );
  return {
    rowsBefore,
    rowsInPoint,
    rowsBack: rows,
    backupMs: point.elapsedMs,
    restoreMs: restored.elapsedMs,
    dataBytes: point.bytesTotal,
    repositoryBytes: await bytesIn(path.join(folder, "repository")),
  };
}

function appOf(system: System): System["components"][number] {
  return system.components[0]!;
}

async function rowsOf(system: System, stamp: string, run: Run): Promise<number> {
  const { describePoint, listPoints } = await import("../points/catalogue.ts");
  const { findPoint } = await import("../points/point.ts");
  const point = findPoint(await listPoints(system, run), stamp);
  const { stores } = await describePoint(await system.repository(run), point, run);
  return stores["app/db"]?.facts?.rows?.["notes"] ?? 0;
}

async function waitForRows(database: string, wanted: number, run: Run): Promise<number> {
  for (let tries = 0; tries < 300; tries++) {
    await sleep(100, undefined, { signal: run.signal });
    try {
      const { rows } = inspectNotes(database, 0);
      if (rows >= wanted) return rows;
    } catch {
      // The application has not made its database yet.
    }
  }
  throw new AppError("UNAVAILABLE", "demo: the application writes nothing");
}

async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return sum;
}
