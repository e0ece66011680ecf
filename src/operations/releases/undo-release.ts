import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Outcome } from "../../journal/journal.ts";
import type { ReleaseSwitch, StoreSwitch } from "../../journal/plan-change.ts";
import { version } from "../../slots/slot.ts";
import type { Outside } from "../../targets/folder/outside.ts";
import type { ReleaseChange } from "../begin.ts";
import type { System } from "../system.ts";
import { chainOf, previousFor } from "./chain.ts";
import {
  displacing,
  outsideBack,
  outsideOf,
  outsideOfFactory,
  outsideOfLeft,
  outsideSwitches,
} from "./outside.ts";
import { deployable, findRelease } from "./target-of.ts";

/** What the history says of an undo that changes the release; undefined: it changes none. */
export function releaseChange(
  [back]: readonly ReleaseSwitch[],
  outside: readonly Outside[],
): ReleaseChange | undefined {
  if (back === undefined) return undefined;
  const { from, to, factory, component } = back;
  return { component, from, to, factory, outside };
}

/** Switches of the files of releases that lie outside of them. */
export async function outsideUndone(
  system: System,
  [back]: readonly ReleaseSwitch[],
  outside: readonly Outside[],
  left: readonly Outside[],
  id: string,
  run: Run,
): Promise<StoreSwitch[]> {
  if (back === undefined) return [];
  const component = deployable(system, back.component);
  return [
    ...(await outsideSwitches(component, outside, back.to, back.from, id, run)),
    ...(await outsideBack(system, component, back, left, outside, id, run)),
  ];
}

/** Those of the release that is live now. */
export async function outsideLeft(
  system: System,
  [back]: readonly ReleaseSwitch[],
  run: Run,
): Promise<readonly Outside[]> {
  if (back?.from === undefined) return [];
  return await outsideOfLeft(system, deployable(system, back.component), back.from, run);
}

/** Those of the release that comes back, or of the factory release. */
export async function outsideFor(
  system: System,
  [back]: readonly ReleaseSwitch[],
  which: "to" | "factory" = "to",
): Promise<readonly Outside[]> {
  const release = back?.[which];
  if (back === undefined || release === undefined) return [];
  return await outsideOf(system, deployable(system, back.component), release);
}

/** The release that was live before the operation comes back with its data. */
export async function releaseBack(
  system: System,
  release: ReleaseChange | undefined,
  outcome: Outcome | undefined,
  operation: string,
  run: Run,
): Promise<ReleaseSwitch[]> {
  if (release?.from === undefined || outcome !== "committed") return [];
  const component = deployable(system, release.component);
  const { name, target } = component;
  const to = version(release.from);
  const chain = await chainOf(component, { force: true }, run);
  if (chain.from === to) return [];
  if ((await findRelease(target, to)) === undefined) {
    throw new AppError("NOT_FOUND", `undo: release ${to} of ${name} is not there any more`);
  }
  const previous = await previousFor(target, to, undefined, run);
  const common = { slot: name, component: name, evidence: undefined, leavesBad: false };
  const ofFactory = await outsideOfFactory(system, component, chain.factory, run);
  return [{ ...common, ...chain, to, previous, factoryFiles: displacing(ofFactory, operation) }];
}
