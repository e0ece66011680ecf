import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { CheckReport, CopyReport, Repository } from "../repository/repository.ts";
import { listPoints } from "./points/catalogue.ts";
import { findPoint } from "./points/point.ts";
import { openRepositoryAt, type System } from "./system.ts";

/** One of the repositories under `copies:`. NOT_FOUND. */
export async function openCopy(system: System, name: string, run: Run): Promise<Repository> {
  const { copies, state } = system.config;
  const place = Object.hasOwn(copies, name) ? copies[name] : undefined;
  if (place !== undefined) return await openRepositoryAt(place, state, system.host, run);
  const known = Object.keys(copies).join(", ") || "none";
  throw new AppError("NOT_FOUND", `open copy ${name}: the configuration does not have it`, {
    hint: `Under copies: there is ${known}.`,
  });
}

/**
 * Brings a second repository up to date, with the named points or all valid ones, and checks
 * afterwards that whatever its snapshots need is there.
 */
export async function copyPoints(
  system: System,
  name: string,
  named: readonly string[],
  run: Run,
): Promise<CopyReport & { readonly checked: CheckReport }> {
  const to = await openCopy(system, name, run);
  const points = await listPoints(system, run);
  const chosen =
    named.length === 0
      ? points.filter(({ valid }) => valid)
      : named.map((one) => findPoint(points, one));
  const from = await system.repository(run);
  const ids = chosen.map(({ snapshot }) => snapshot.id);
  const copied = await from.copyTo(to, ids, run);
  return { ...copied, checked: await to.check({ readData: "none" }, run) };
}
