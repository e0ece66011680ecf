import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { SavedStore } from "../../journal/plan-change.ts";
import { version, type Version } from "../../slots/slot.ts";
import type { Component } from "../components.ts";
import { compatibilityOf } from "./compatibility.ts";
import type { Deployable } from "./target-of.ts";
import { type Pointers, type Target, versionOf } from "../../targets/target.ts";

/** What a change of release may fall back to; fixed before anything is touched. */
export type Chain = {
  readonly from: Version | undefined;
  /** Whether what is live is what its manifest says. */
  readonly fromIsSound: boolean;
  readonly isUnverified?: true;
  readonly factory: Version | undefined;
};

/**
 * Looks at what is live and at the factory release. REFUSED when something is live and neither of
 * them could be gone back to.
 */
export async function chainOf(
  component: Deployable,
  {
    force: isForced,
    isRepair = false,
    to,
  }: { readonly force: boolean; readonly isRepair?: boolean; readonly to?: Version },
  run: Run,
): Promise<Chain> {
  const { target } = component;
  const pointers = await target.pointers();
  // A link that leads nowhere is nothing live: whoever goes back needs it to be replaced.
  if (!isRepair || pointers.current.state === "no-link") refuseBroken(target, pointers, to);
  const from = versionOf(pointers.current);
  const fromProblems = from === undefined ? [] : await target.problemsOf(from, "what-changed", run);
  const named = versionOf(pointers.factory);
  const factoryProblems =
    named === undefined ? [] : await target.problemsOf(named, "what-changed", run);
  if (named !== undefined && factoryProblems.length > 0) {
    warn(run, `factory release ${named} cannot be gone back to: ${factoryProblems[0]}`);
  }
  const isWhole = factoryProblems.length === 0;
  const factory = isWhole && (await fitsData(component, named, from, run)) ? named : undefined;
  const fromIsSound = from !== undefined && fromProblems.length === 0;
  if (from === undefined) {
    warn(run, `${target.name}: nothing is live, so a failure has nothing to go back to`);
    return { from, fromIsSound, factory };
  }
  if (!fromIsSound) warn(run, `release ${from}, which is live, is damaged: ${fromProblems[0]}`);
  if (!fromIsSound && factory === undefined && !isForced) {
    const repair = isWhole ? "" : "or repair the factory release: lastgood doctor --repair; ";
    throw new AppError("REFUSED", `change ${target.name}: there is nothing sound to go back to`, {
      hint: `Go back to one that is sound: lastgood rollback ${target.name}; ${repair}or --force`,
    });
  }
  // Whoever forces it would rather go back to what ran than to nothing.
  if (fromIsSound || factory !== undefined) return { from, fromIsSound, factory };
  return { from, fromIsSound: true, isUnverified: true, factory };
}

/** By itself nothing goes back to a release that may not be able to read the data. */
async function fitsData(
  component: Deployable,
  factory: Version | undefined,
  from: Version | undefined,
  run: Run,
): Promise<boolean> {
  if (factory === undefined || factory === from) return true;
  const { verdict, stores } = await compatibilityOf(component, factory, run);
  if (verdict === "ok") return true;
  const why = stores.find((store) => store.verdict === verdict)?.why ?? verdict;
  warn(run, `factory release ${factory} is no way back by itself: ${why}`);
  return false;
}

function refuseBroken(
  { name, root }: Target,
  { current }: Pointers,
  to: Version | undefined,
): void {
  if (current.state === "to" || current.state === "none") return;
  // The first deploy of what is to run anyway.
  if (current.state === "dangling" && current.named !== undefined && current.named === to) return;
  const problem =
    current.state === "dangling" ? `leads to ${current.target}, which is no release` : "is no link";
  throw new AppError("REFUSED", `change ${name}: ${root}/current ${problem}`, {
    hint:
      current.state === "dangling" && current.named !== undefined
        ? `If it runs: lastgood releases adopt ${name}`
        : "See what can be done: lastgood doctor",
  });
}

function warn(run: Run, message: string): void {
  run.report({ type: "warning", message });
}

/**
 * What `previous` shall mean once a version is live: the newest good release that was committed
 * before it became so and verifies; never a bad one, never the live one. Undefined: there is none.
 */
export async function previousFor(
  target: Target,
  live: Version,
  bad: Version | undefined,
  run: Run,
): Promise<Version | undefined> {
  const releases = await target.releases();
  // A release that has not been live yet comes after all of them.
  const since = releases.find((one) => one.version === live)?.committed ?? "9";
  const candidates = releases
    .filter((one) => one.version !== live && one.version !== bad && one.verdict === "good")
    .filter(({ committed = "" }) => committed < since)
    .toSorted((a, b) => ((a.committed ?? "") < (b.committed ?? "") ? 1 : -1));
  for (const candidate of candidates) {
    const problems = await target.problemsOf(candidate.version, "what-changed", run);
    if (problems.length === 0) return candidate.version;
  }
  return undefined;
}

/** Copies of all stores of a component: a release may change data by itself when it starts. */
export function savedStores({ name, stores }: Component, id: string): SavedStore[] {
  return stores.map(({ store }) => ({
    slot: store.name,
    component: name,
    displaced: version(`before-${id}`),
    rejected: version(`rejected-${id}`),
  }));
}
