import type { Run } from "../../base/events.ts";
import { compareVersions } from "../../targets/compare-versions.ts";
import {
  type Available,
  type PointerName,
  POINTERS,
  type Pointers,
  versionOf,
} from "../../targets/target.ts";
import type { System } from "../system.ts";
import { type Compatibility, compatibilityOf, type StoreVerdict } from "./compatibility.ts";
import { type DeployHold, deployHold } from "./hold.ts";
import { deployable } from "./target-of.ts";

/** A release as people decide about it. */
export type Candidate = {
  readonly version: string;
  /** The links that lead to it. */
  readonly pointers: readonly PointerName[];
  /** Undefined: nobody said yet. */
  readonly good: boolean | undefined;
  readonly reason: string | undefined;
  readonly committed: string | undefined;
  readonly pinned: boolean;
  /** Whether its files are what its manifest says. */
  readonly verified: boolean;
  readonly problems: readonly string[];
  /** Whether it can live with the data as they are now. */
  readonly verdict: Compatibility;
  readonly stores: readonly StoreVerdict[];
};

export type Releases = {
  readonly component: string;
  readonly current: string | undefined;
  readonly previous: string | undefined;
  readonly factory: string | undefined;
  readonly releases: readonly Candidate[];
  /** What the engine and the registry have; undefined where nobody can be asked. */
  readonly available: readonly Available[] | undefined;
  /** Those that failed and were moved out of the way. */
  readonly failed: readonly { readonly version: string; readonly operation: string }[];
  readonly held: DeployHold | undefined;
};

/** All releases of a component, with what is known of each. Newest version first. */
export async function listReleases(
  system: System,
  named: string | undefined,
  run: Run,
): Promise<Releases> {
  const component = deployable(system, named);
  const { target, name } = component;
  const pointers = await target.pointers();
  const releases: Candidate[] = [];
  for (const { version, verdict, reason, committed, pinned } of await target.releases()) {
    const problems = await target.problemsOf(version, "what-changed", run);
    const fit = await compatibilityOf(component, version, run);
    releases.push({
      version,
      pointers: POINTERS.filter((pointer) => versionOf(pointers[pointer]) === version),
      good: verdict === undefined ? undefined : verdict === "good",
      reason,
      committed,
      pinned: pinned === true,
      verified: problems.length === 0,
      problems,
      verdict: fit.verdict,
      stores: fit.stores,
    });
  }
  return {
    component: name,
    ...pointedTo(pointers),
    releases: releases.toSorted((a, b) => compareVersions(b.version, a.version)),
    available: await target.available?.(run),
    failed: (await target.failed()).map(({ version, operation }) => ({ version, operation })),
    held: deployHold(system.paths, name),
  };
}

function pointedTo(pointers: Pointers): Record<PointerName, string | undefined> {
  return {
    current: versionOf(pointers.current),
    previous: versionOf(pointers.previous),
    factory: versionOf(pointers.factory),
  };
}
