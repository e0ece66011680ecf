import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../base/clock.ts";
import { AppError } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Outcome, Progress } from "../../journal/journal.ts";
import type { OperationSetup } from "../begin.ts";
import type { StatePaths, System } from "../system.ts";

/** Why no release is deployed on a component for now. */
export type DeployHold = {
  readonly since: string;
  readonly why: string;
  /** Whether a release failed; else somebody wanted it. */
  readonly isFailure?: boolean;
  /** The rollback that holds them: undone, it holds them no more. */
  readonly rollback?: { readonly from: string | undefined; readonly to: string };
};

function holdFile({ state }: Pick<StatePaths, "state">, component: string): string {
  return path.join(state, "holds", `${component}.json`);
}

/** Undefined when deploys may go on. */
export function deployHold(
  paths: Pick<StatePaths, "state">,
  component: string,
): DeployHold | undefined {
  const file = holdFile(paths, component);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as DeployHold;
  } catch {
    // That it is held is known; why is not.
    return { since: "", why: "unknown" };
  }
}

/** Has deploys of a component refused until `resume`. */
export async function holdDeploys(
  paths: Pick<StatePaths, "state">,
  component: string,
  why: string,
  { now }: Clock,
  because: Pick<DeployHold, "isFailure" | "rollback"> = {},
): Promise<DeployHold> {
  const held = { since: now().toISOString(), why, ...because };
  const file = holdFile(paths, component);
  await writeFileDurable(file, Buffer.from(JSON.stringify(held)), "replace");
  return held;
}

/** Lets deploys go on. NOT_FOUND when nothing is held. */
export async function resumeDeploys({ paths }: System, component: string): Promise<void> {
  if (deployHold(paths, component) === undefined) {
    throw new AppError("NOT_FOUND", `resume ${component}: its deploys are not held`);
  }
  await rm(holdFile(paths, component));
}

/** REFUSED while deploys of a component are held. */
export function refuseHeld({ paths }: System, component: string): void {
  const held = deployHold(paths, component);
  if (held === undefined) return;
  throw new AppError("REFUSED", `deploy ${component}: held since ${held.since}: ${held.why}`, {
    hint: `Once the cause is understood: lastgood resume ${component}`,
  });
}

/** After a rollback nothing is deployed until somebody has looked, as who undoes it has. */
export async function settleHolds(
  paths: Pick<StatePaths, "state">,
  { id, kind, setup }: Pick<Progress, "id" | "kind" | "setup">,
  outcome: Outcome,
  clock: Clock,
): Promise<void> {
  const { release, components } = setup as OperationSetup;
  if (release === undefined) return;
  const { component, from, to } = release;
  if (components[component]?.target?.["hold-after-rollback"] === false) return;
  const wentBack = outcome !== "committed" && outcome !== "aborted";
  if (kind === "deploy" && wentBack) {
    await holdDeploys(paths, component, `${to} failed and went back (${id})`, clock, {
      isFailure: true,
    });
  }
  if (kind === "rollback" && outcome === "committed") {
    const why = `it was rolled back to ${to} (${id})`;
    await holdDeploys(paths, component, why, clock, { rollback: { from, to } });
  }
  const undone = kind === "undo" ? deployHold(paths, component)?.rollback : undefined;
  if (outcome === "committed" && undone !== undefined && undone.from === to && undone.to === from) {
    await rm(holdFile(paths, component));
  }
}
