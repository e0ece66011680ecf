import { rm } from "node:fs/promises";
import path from "node:path";
import { namesIn } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { archiveProblem, packFactory } from "../../targets/folder/factory-archive.ts";
import { restoreFactory } from "../../targets/folder/factory.ts";
import { repairModes } from "../../targets/folder/repair.ts";
import { type Pointer, type Release, versionOf } from "../../targets/target.ts";
import type { Finding } from "../doctor.ts";
import { lockComponents } from "../operation-lock.ts";
import { needSpace } from "../space.ts";
import { listSetAside, neededForUndo } from "../set-aside.ts";
import type { System } from "../system.ts";
import { refuseInterrupted } from "../unfinished.ts";
import { previousFor } from "./chain.ts";
import { entryFindings } from "./entry-findings.ts";
import { rollback } from "./rollback.ts";
import type { Deployable } from "./target-of.ts";

/** What would go wrong with the releases of a component in an emergency, and how to mend it. */
export async function releaseFindings(
  system: System,
  component: Deployable,
  run: Run,
): Promise<Finding[]> {
  // The factory release first: it may be previous too, and then both are well again.
  const parts = [currentFindings, factoryFindings, previousFindings, spaceFindings];
  const found = await Promise.all(parts.map((part) => part(system, component, run)));
  return [...found.flat(), ...(await entryFindings(component, run))];
}

async function currentFindings(
  system: System,
  component: Deployable,
  run: Run,
): Promise<Finding[]> {
  const { name, target } = component;
  const { current } = await target.pointers();
  const releases = await target.releases();
  if (current.state === "none" && releases.length === 0) return [];
  const live = versionOf(current);
  if (live === undefined) {
    const best = await soundest(component, releases, run);
    const problem = `${name}: current ${stateOf(current)}`;
    if (current.state === "dangling" && current.named !== undefined) {
      const hint = `If it runs: lastgood releases adopt ${name}; else: lastgood deploy ${name} ${current.named}`;
      return [{ severity: "error", problem, hint }];
    }
    if (best === undefined || current.state === "no-link") {
      const hint = "No release verifies: lastgood releases verify; then deploy one.";
      return [{ severity: "error", problem, hint }];
    }
    const reason = problem;
    const repair = async (inner: Run): Promise<string> => {
      const options = { to: best.version, data: "as-needed", reason, force: false } as const;
      const { outcome, error = outcome } = await rollback(system, name, options, inner);
      if (outcome === "committed") return `${name}: current leads to ${best.version}, and it runs`;
      throw new AppError("UNHEALTHY", `make ${best.version} of ${name} live: ${error}`);
    };
    const hint = `lastgood doctor --repair makes ${best.version} live: the newest that verifies`;
    return [{ severity: "error", problem, hint, repair }];
  }
  const problems = await target.problemsOf(live, "every-byte", run);
  if (problems.length === 0) return [];
  const problem = `${name}: release ${live}, which is live, is damaged: ${problems[0]}`;
  if (!problems.every((one) => / has mode \d+, not \d+$/.test(one))) {
    const hint =
      problems[0] === "it has no manifest"
        ? `If it is as it should be: lastgood releases adopt ${name}`
        : `lastgood releases verify ${name} ${live}; then deploy or roll back to another`;
    return [{ severity: "error", problem, hint }];
  }
  const repair = async (): Promise<string> => {
    using _lock = lockComponents(system.paths.locks, [name]);
    refuseInterrupted(system, [component]);
    const changed = await repairModes(target.root, live);
    return `${name}: modes put right of ${changed.join(", ")}; lastgood start ${name}`;
  };
  return [{ severity: "error", problem, hint: "lastgood doctor --repair puts it right", repair }];
}

/** The release to fall back to: good, whole, live most recently. */
async function soundest(
  { target }: Deployable,
  releases: readonly Release[],
  run: Run,
): Promise<Release | undefined> {
  const rank = ({ verdict, committed = "" }: Release): string =>
    `${Number(verdict === "good")}${committed}`;
  const candidates = releases
    .filter(({ verdict }) => verdict !== "bad")
    .toSorted((a, b) => (rank(a) < rank(b) ? 1 : -1));
  for (const release of candidates) {
    if ((await target.problemsOf(release.version, "every-byte", run)).length === 0) return release;
  }
  return undefined;
}

async function previousFindings(
  system: System,
  component: Deployable,
  run: Run,
): Promise<Finding[]> {
  const { name, target } = component;
  const { previous, current } = await target.pointers();
  const live = versionOf(current);
  if (previous.state === "none" || live === undefined) return [];
  const isLive = versionOf(previous) === live;
  const [damage] =
    previous.state === "to" ? await target.problemsOf(previous.version, "every-byte", run) : [""];
  if (damage === undefined && !isLive) return [];
  const better = await previousFor(target, live, undefined, run);
  const what = isLive ? "which is live" : damage === "" ? "" : `which is damaged: ${damage}`;
  const problem = [`${name}: previous ${stateOf(previous)}`, what].filter(Boolean).join(", ");
  if (previous.state === "no-link") {
    return [{ severity: "error", problem, hint: "Move what is there away by hand." }];
  }
  const repair = async (inner: Run): Promise<string> => {
    using _lock = lockComponents(system.paths.locks, [name]);
    refuseInterrupted(system, [component]);
    if (previous.state === "to" && !isLive) {
      const [still] = await target.problemsOf(previous.version, "every-byte", inner);
      if (still === undefined) return `${name}: previous is well again`;
    }
    await target.point("previous", better, inner);
    return `${name}: previous ${better === undefined ? "is gone" : `leads to ${better}`}`;
  };
  return [{ severity: "warning", problem, hint: "lastgood doctor --repair puts it right", repair }];
}

async function factoryFindings(
  system: System,
  component: Deployable,
  run: Run,
): Promise<Finding[]> {
  const { name, target } = component;
  const { factory } = await target.pointers();
  if (factory.state === "none") {
    const problem = `${name}: there is no factory release to fall back to`;
    const hint = `Make a proven one it: lastgood releases factory ${name} VERSION`;
    return (await target.releases()).length === 0 ? [] : [{ severity: "warning", problem, hint }];
  }
  const version = versionOf(factory) ?? danglingVersion(factory);
  const problems =
    factory.state === "to"
      ? await target.problemsOf(factory.version, "every-byte", run)
      : [stateOf(factory)];
  if (version === undefined) return [];
  const archive = await archiveProblem(target.root, version, run);
  const what = `the factory release ${version}`;
  const repairBy = (
    work: (inner: Run) => Promise<unknown>,
    done: string,
  ): Required<Finding>["repair"] =>
    async function repair(inner) {
      using _lock = lockComponents(system.paths.locks, [name]);
      refuseInterrupted(system, [component]);
      await work(inner);
      return `${name}: ${done}`;
    };
  if (problems.length === 0) {
    if (archive === undefined) return [];
    const repack = async (inner: Run): Promise<unknown> => {
      await target.verify(version, inner);
      return await packFactory(target.root, version, inner);
    };
    const repair = repairBy(repack, `the archive of ${what} is made again`);
    const hint = "lastgood doctor --repair makes it again of the release, which is whole";
    const problem = `${name}: ${what}: ${archive.problem}`;
    return [{ severity: "warning", problem, hint, repair }];
  }
  const problem = `${name}: ${what} is damaged: ${problems[0]}`;
  if (archive?.isWorthTrying === false) {
    const hint = `Make another that works the factory one: lastgood releases factory ${name} VERSION`;
    return [{ severity: "error", problem: `${problem}; and ${archive.problem}`, hint }];
  }
  const putBack = (inner: Run): Promise<void> => restoreFactory(target.root, version, inner);
  const repair = repairBy(putBack, `${what} is back out of its archive`);
  const hint = "lastgood doctor --repair brings it back out of its archive";
  return [{ severity: "error", problem, hint, repair }];
}

function danglingVersion(pointer: Pointer): Release["version"] | undefined {
  if (pointer.state !== "dangling") return undefined;
  const [, version] = /^v(\d[\w.-]*)$/.exec(pointer.target) ?? [];
  return version as Release["version"] | undefined;
}

function stateOf(pointer: Pointer): string {
  switch (pointer.state) {
    case "to":
      return `leads to ${pointer.version}`;
    case "none":
      return "is not there";
    case "dangling":
      return `leads to ${pointer.target}, which is no release`;
    case "no-link":
      return "is no link";
  }
}

async function spaceFindings(system: System, component: Deployable, run: Run): Promise<Finding[]> {
  const { name, target } = component;
  const needs = [{ path: path.join(target.root, "x"), bytes: 0, files: 1 }];
  const full = (await needSpace(needs)).find(({ enough }) => !enough);
  const packages = await namesIn(path.join(system.paths.state, "packages", name));
  if (full === undefined) return [];
  const releases = (await target.releases()).map(({ version }) => version).join(", ");
  const problem = `${name}: ${full.folder} is full; there are the releases ${releases}`;
  const repair = async (): Promise<string> => {
    using _lock = lockComponents(system.paths.locks, [name]);
    refuseInterrupted(system, [component]);
    await target.thin(neededForUndo(await listSetAside(system, run), name), run);
    await rm(path.join(system.paths.state, "packages", name), { recursive: true, force: true });
    return `${name}: releases that nobody needs and ${packages.length} packages are removed`;
  };
  const hint = `lastgood doctor --repair removes what nobody needs; see lastgood releases ${name}`;
  return [{ severity: "error", problem, hint, repair }];
}
