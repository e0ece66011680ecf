import { statfs } from "node:fs/promises";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { openRecords } from "../records.ts";
import type { System } from "../system.ts";

/** How full the disk of the repository is, and when it will be full if that goes on. */
export type Space = {
  readonly folder: string;
  readonly bytesFree: number;
  readonly bytesTotal: number;
  /** Undefined: it does not become fuller, or nobody has looked for long enough. */
  readonly fullAt: string | undefined;
};

const EVERY_MS = 3_600_000;
const KEEP_MS = 30 * 86_400_000;
/** A line through less than this says nothing. */
const SPAN_MS_MIN = 3 * 86_400_000;
/** Further away than this it is no prediction. */
const AHEAD_MS_MAX = 365 * 86_400_000;

/** Looks at the disk that a repository in a folder lies on, at most once an hour. */
export async function noteSpace(system: System): Promise<void> {
  const folder = localRepository(system);
  if (folder === undefined) return;
  const now = system.host.clock.now().getTime();
  using database = openSamples(system);
  const last = database.prepare("SELECT max(at) AS at FROM space_v1").get() as {
    at: number | null;
  };
  if (last.at !== null && Math.abs(now - last.at) < EVERY_MS) return;
  const { bavail, bsize } = await statfs(folder);
  database.prepare("INSERT INTO space_v1 (at, free) VALUES (?, ?)").run(now, bavail * bsize);
  database.prepare("DELETE FROM space_v1 WHERE at < ? OR at > ?").run(now - KEEP_MS, now);
}

/** Undefined where the repository lies on no disk of this machine, or that cannot be asked. */
export async function spaceOf(system: System): Promise<Space | undefined> {
  const folder = localRepository(system);
  if (folder === undefined) return undefined;
  const found = await statfs(folder).catch(() => undefined);
  if (found === undefined) return undefined;
  const bytesFree = found.bavail * found.bsize;
  using database = openSamples(system);
  const samples = database.prepare("SELECT at, free FROM space_v1 ORDER BY at").all() as Sample[];
  const now = system.host.clock.now().getTime();
  return {
    folder,
    bytesFree,
    bytesTotal: found.blocks * found.bsize,
    fullAt: fullAt(samples, bytesFree, now),
  };
}

type Sample = { readonly at: number; readonly free: number };

/** By the line that fits best (least squares). */
function fullAt(samples: readonly Sample[], free: number, now: number): string | undefined {
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < SPAN_MS_MIN)
    return undefined;
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [at, level] = [mean(samples.map((one) => one.at)), mean(samples.map((one) => one.free))];
  const above = mean(samples.map((one) => (one.at - at) * (one.free - level)));
  const below = mean(samples.map((one) => (one.at - at) ** 2));
  const perMs = above / below;
  const leftMs = -free / perMs;
  return perMs >= 0 || leftMs > AHEAD_MS_MAX ? undefined : new Date(now + leftMs).toISOString();
}

function localRepository({ config }: System): string | undefined {
  const { at } = config.repository;
  return path.isAbsolute(at) ? at : undefined;
}

const openSamples = ({ paths }: System): DatabaseSync =>
  openRecords(
    paths.state,
    "CREATE TABLE IF NOT EXISTS space_v1 (at INTEGER PRIMARY KEY, free INTEGER NOT NULL) STRICT",
  );
