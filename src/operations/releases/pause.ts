import { recordDone } from "../record.ts";
import type { System } from "../system.ts";
import { holdDeploys, resumeDeploys } from "./hold.ts";
import { deployable } from "./target-of.ts";

/** Has deploys of a component refused until `resume`. */
export async function hold(
  system: System,
  named: string | undefined,
  reason: string,
): Promise<{ component: string; why: string; since: string }> {
  const { name } = deployable(system, named);
  const why = reason === "" ? "by hand" : reason;
  const held = await holdDeploys(system.paths, name, why, system.host.clock);
  recordDone(system, `hold ${name}`, reason, undefined);
  return { component: name, ...held };
}

/** Lets deploys of a component go on. NOT_FOUND when they are not held. */
export async function resume(
  system: System,
  named: string | undefined,
  reason: string,
): Promise<{ component: string }> {
  const { name } = deployable(system, named);
  await resumeDeploys(system, name);
  recordDone(system, `resume ${name}`, reason, undefined);
  return { component: name };
}
