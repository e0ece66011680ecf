import { readFile } from "node:fs/promises";
import path from "node:path";
import { writeFileDurable } from "../base/fs.ts";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { CheckReport, CopyReport, Repository, Snapshot } from "../repository/repository.ts";
import type { RepositoryConfig } from "./open/backend.ts";
import { listPoints, refuseUnknown } from "./points/catalogue.ts";
import { hintToForget } from "./points/damaged.ts";
import { findPoint, pointsAmong } from "./points/point.ts";
import { recorded } from "./record.ts";
import { openRepositoryAt, type System } from "./system.ts";

export type Copied = CopyReport & {
  /** What kept a point from being copied, or is wrong with the copy. */
  readonly errors: readonly string[];
  readonly checked: CheckReport;
};

/** One of the repositories under `copies:`. NOT_FOUND. */
export async function openCopy(system: System, name: string, run: Run): Promise<Repository> {
  const { state } = system.config;
  return await openRepositoryAt(placeOfCopy(system, name), { state }, system.host, run);
}

/** NOT_FOUND; CONFIG_INVALID where it is no other place. */
export function placeOfCopy({ config }: System, name: string): RepositoryConfig {
  const { copies } = config;
  const place = Object.hasOwn(copies, name) ? copies[name] : undefined;
  if (place !== undefined && place.at === config.repository.at) {
    throw new AppError("CONFIG_INVALID", `open copy ${name}: it is the repository itself`, {
      hint: "A copy is of use elsewhere: on another disk, at another place.",
    });
  }
  if (place !== undefined) return place;
  const known = Object.keys(copies).join(", ") || "none";
  throw new AppError("NOT_FOUND", `open copy ${name}: the configuration does not have it`, {
    hint: `Under copies: there is ${known}.`,
  });
}

/**
 * Brings a second repository up to date, with the named points or all valid ones, and checks
 * afterwards that whatever its snapshots need is there. A point that is damaged keeps no other from
 * being copied; it is an error in what is returned.
 */
export async function copyPoints(
  system: System,
  name: string,
  named: readonly string[],
  reason: string,
  run: Run,
): Promise<Copied> {
  // A name that was mistyped is no failure of the system.
  placeOfCopy(system, name);
  await refuseUnknown(system, named, run);
  const scope = { of: [name], depth: 0 };
  return await recorded(
    system,
    "copy",
    reason,
    run,
    async () => {
      const value = await copyOnce(system, name, named, run);
      const [first] = value.errors;
      return { value, detail: name, error: first };
    },
    scope,
  );
}

async function copyOnce(
  system: System,
  name: string,
  named: readonly string[],
  run: Run,
): Promise<Copied> {
  const to = await openCopy(system, name, run);
  const points = await listPoints(system, run);
  const chosen =
    named.length === 0
      ? points.filter(({ valid }) => valid)
      : named.map((one) => findPoint(points, one));
  const from = await system.repository(run);
  const ids = chosen.map(({ snapshot }) => snapshot.id);
  const copied = await from.copyTo(to, ids, run);
  const checked = await to.check({ readData: "none" }, run);
  const snapshotsThere = await to.snapshots(run);
  const there = pointsAmong(snapshotsThere).filter((one) => one.system === system.name);
  const stampOf = (id: string): string =>
    chosen.find(({ snapshot }) => snapshot.id === id)?.stamp ?? id;
  const damaged = new Set(copied.damaged.map(({ id }) => stampOf(id)));
  const whole = there.filter(({ stamp }) => !damaged.has(stamp));
  await rememberCopy(system, name, checked.errors.length === 0 ? whole : []);
  const errors = [
    ...copied.damaged.map(({ id, problem, wasThere }) => {
      const what = wasThere ? "here and in the copy" : "and was not copied";
      return `point ${stampOf(id)} is damaged ${what}: ${problem}`;
    }),
    // Whoever named what is to be copied has not asked for more.
    ...(named.length === 0 ? await onlyDamaged(from, snapshotsThere, run) : []),
    ...checked.errors,
  ];
  return { ...copied, errors, checked };
}

/** What nobody could choose for a copy, and that the copy does not have from before. */
async function onlyDamaged(
  from: Repository,
  there: readonly Snapshot[],
  run: Run,
): Promise<string[]> {
  const originals = new Set(there.map(({ original }) => original));
  const damaged = [...(await from.damagedSnapshots(run))].filter(([id]) => !originals.has(id));
  return damaged.map(([id, problem]) => `not copied: ${problem}. ${hintToForget(id)}`);
}

/** By copy, the stamps that were last seen in it. */
export type KnownCopies = Readonly<Record<string, readonly string[]>>;

const fileOf = ({ paths }: Pick<System, "paths">): string => path.join(paths.state, "copies.json");

/** A memory only, as that of the points. */
async function rememberCopy(
  system: System,
  name: string,
  points: readonly { readonly stamp: string }[],
): Promise<void> {
  const known = { ...(await knownCopies(system)), [name]: points.map(({ stamp }) => stamp) };
  const bytes = Buffer.from(JSON.stringify(known));
  await writeFileDurable(fileOf(system), bytes, "replace").catch(() => {});
}

/** What lies where besides, as it was last seen. */
export async function knownCopies(system: Pick<System, "paths">): Promise<KnownCopies> {
  try {
    return JSON.parse(await readFile(fileOf(system), "utf8")) as KnownCopies;
  } catch {
    // Without it the next copy makes it anew.
    return {};
  }
}
