import { monotonicMs } from "../../base/clock.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Outcome } from "../../journal/journal.ts";
import type { Plan } from "../../journal/plan.ts";
import { planChange } from "../../journal/plan-change.ts";
import { version, type Version } from "../../slots/slot.ts";
import { compareVersions } from "../../targets/compare-versions.ts";
import type { Outside } from "../../targets/folder/outside.ts";
import { expireSetAside } from "../given-up.ts";
import { begin, type Begun, type ReleaseChange } from "../begin.ts";
import { type PlanPreview, previewPlan } from "../plan-preview.ts";
import { mayMigrate } from "../acts/migrate.ts";
import { newOperationId } from "../record.ts";
import { listSetAside, neededForUndo, supersededCopies } from "../set-aside.ts";
import type { System } from "../system.ts";
import { type Announcer, announcerOf, announcing } from "../updater/announce.ts";
import { type Chain, chainOf, savedStores } from "./chain.ts";
import { rememberSchemas } from "./compatibility.ts";
import { fetchPackage, forgetPackage, inspectSource, type PackageSource } from "./fetch.ts";
import { packageFor, rememberImage } from "./package-info.ts";
import { refuseHeld } from "./hold.ts";
import { outsideOf, outsideOfFactory, outsideSwitches, displacing, together } from "./outside.ts";
import { refuseNoRoom } from "./room.ts";
import {
  type Deployable,
  deployable,
  findRelease,
  releaseVersion,
  withDependents,
  withRunningDependents,
} from "./target-of.ts";

export type DeployOptions = {
  /** Undefined: the release is there already, or its package was fetched. */
  readonly source: PackageSource | undefined;
  /** Of releases that are images: by tag or digest, where it is another than the version's tag. */
  readonly image?: string | undefined;
  readonly reason: string;
  readonly force: boolean;
  /** Who tells an updater's users of it; by default whoever the configuration names. */
  readonly announcer?: Announcer;
};

export type ReleaseResult = {
  readonly outcome: Outcome;
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  /** How far it went back by itself; undefined when it did not. */
  readonly depth: "previous" | "factory" | undefined;
  /** What is live now. */
  readonly live: string | undefined;
  readonly operation: string;
  /** How many ways back were begun. */
  readonly waysTried: number;
  readonly error: string | undefined;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  /** Whether it went back and the data from before lie aside: a release that failed ran on what is live. */
  readonly isDataAside: boolean;
  readonly elapsedMs: number;
};

/**
 * Makes a release the live one, and goes back by itself when it is not healthy: to what was live,
 * and to the factory release when that is not healthy either. Before the journal is open it throws
 * and nothing happened; from then on the outcome tells.
 */
export async function deploy(
  system: System,
  named: string | undefined,
  versionText: string,
  options: DeployOptions,
  run: Run,
): Promise<ReleaseResult> {
  const started = monotonicMs();
  const component = deployable(system, named);
  const to = releaseVersion(versionText);
  if (!options.force) refuseHeld(system, component.name);
  await refuseVersion(component, to, options);
  refuseOtherSource(component, options);
  if (options.image !== undefined) {
    await rememberImage(system, component.name, to, options.image);
  }
  if (options.source !== undefined) {
    await fetchPackage(system, component.name, to, options.source, run);
  }
  const id = newOperationId(system);
  const announcer = options.announcer ?? announcerOf(system, component.name);
  const told = announcer === undefined ? undefined : announcing(component, to, announcer, run);
  const heard = told?.run ?? run;
  const { plan, release } = planner(system, component, to, id, options, heard);
  const ended = await begin(
    system,
    {
      id,
      kind: "deploy",
      plan,
      components: withDependents(system, [component]),
      reason: options.reason,
      release,
      ifUnwell: options.force ? "go on" : "refuse",
    },
    heard,
  );
  await told?.end(ended.outcome, ended.error);
  // A release that failed is evidence; its package would only fail again.
  await forgetPackage(system, component.name, to);
  const result = await resultOf(system, component, release(), id, ended, started, run);
  await expireSetAside(system, run).catch((error: unknown) => {
    run.report({ type: "warning", message: `free what expired: ${(error as Error).message}` });
  });
  return result;
}

/** What a deploy would do. Changes nothing. */
export async function previewDeploy(
  system: System,
  named: string | undefined,
  versionText: string,
  options: DeployOptions,
  run: Run,
): Promise<PlanPreview> {
  const component = deployable(system, named);
  const to = releaseVersion(versionText);
  if (!options.force) refuseHeld(system, component.name);
  await refuseVersion(component, to, options);
  refuseOtherSource(component, options);
  const { source } = options;
  if (source !== undefined) await inspectSource(source, run);
  else if ((await findRelease(component.target, to)) === undefined) {
    await packageFor(system.paths.state, component, to);
  }
  return previewPlan(await planner(system, component, to, undefined, options, run).plan());
}

function planner(
  system: System,
  component: Deployable,
  to: Version,
  /** Undefined: only to be looked at. */
  operation: string | undefined,
  options: DeployOptions,
  run: Run,
): { plan: () => Promise<Plan>; release: () => ReleaseChange } {
  const { name, target } = component;
  let chain: Chain | undefined;
  let outside: Outside[] = [];
  const id = operation ?? "this";
  const plan = async (): Promise<Plan> => {
    // Much may have happened while the package was fetched.
    if (!options.force) refuseHeld(system, name);
    await refuseVersion(component, to, options);
    const aside = await listSetAside(system, run);
    const found = await chainOf(component, { force: options.force, to }, run);
    chain = found;
    const isThere = (await findRelease(target, to)) !== undefined;
    if (operation !== undefined) {
      await refuseNoRoom(system, component, isThere ? undefined : to, run);
      if (found.from !== undefined) await rememberSchemas(component, found.from, run);
    }
    // What only is looked at was not fetched.
    const own = operation !== undefined || isThere ? await outsideOf(system, component, to) : [];
    const ofFactory = await outsideOfFactory(system, component, found.factory, run);
    outside = together(own, ofFactory);
    return planChange({
      stores: await outsideSwitches(component, own, to, found.from, id, run),
      releases: [
        {
          slot: name,
          component: name,
          to,
          ...found,
          factoryFiles: displacing(ofFactory, id),
          evidence: isThere ? undefined : version(`${to}-${id}`),
          previous: found.from,
          leavesBad: false,
          keeps: neededForUndo(aside, name),
          migrates: mayMigrate(component),
        },
      ],
      saved: savedStores(component, id),
      superseded: supersededCopies(aside, name),
      components: (await withRunningDependents(system, [component], run)).map((one) => one.name),
      proven: component.config.bake === undefined ? [] : [name],
    });
  };
  const release = (): ReleaseChange => ({
    component: name,
    from: chain?.from,
    to,
    factory: chain?.factory,
    outside,
  });
  return { plan, release };
}

function refuseOtherSource({ name, target }: Deployable, { source, image }: DeployOptions): void {
  const isImage = target.fetchesItself === true;
  if (isImage ? source === undefined : image === undefined) return;
  throw new AppError(
    "USAGE",
    isImage
      ? `deploy ${name}: its releases are images, not packages`
      : `deploy ${name}: its releases are no images`,
    { hint: isImage ? "Leave --from out, or name an image: --image NAME@sha256:…" : "Use --from." },
  );
}

/** The same, an older, a bad or another version of this name is not deployed without a word. */
async function refuseVersion(
  { name, target }: Deployable,
  to: Version,
  { source, force }: DeployOptions,
): Promise<void> {
  const { current } = await target.pointers();
  const live = current.state === "to" ? current.version : undefined;
  if (live === to) {
    throw new AppError("ALREADY_EXISTS", `deploy ${name} ${to}: it is the live release`, {
      hint: `Nothing needs to be done. Should files of it be damaged, deploy it under another number; see: lastgood releases verify ${name} ${to}`,
    });
  }
  const there = await findRelease(target, to);
  if (there !== undefined && source !== undefined) {
    throw new AppError("ALREADY_EXISTS", `deploy ${name} ${to}: there is a release of this name`, {
      hint: `Give the new one a number of its own; the one that is there: lastgood deploy ${name} ${to}`,
    });
  }
  if (there?.verdict === "bad" && !force) {
    throw new AppError("REFUSED", `deploy ${name} ${to}: it is marked as bad: ${there.reason}`, {
      hint: `If it is not: lastgood releases mark ${name} ${to} good`,
    });
  }
  if (live !== undefined && compareVersions(to, live) < 0 && !force) {
    throw new AppError("REFUSED", `deploy ${name} ${to}: ${live}, which is live, is newer`, {
      hint:
        there === undefined
          ? "If it is meant to be: --force"
          : `To go back: lastgood rollback ${name} --to ${to}. If it is meant to be: --force`,
    });
  }
}

const DEPTHS: Readonly<Partial<Record<Outcome, "previous" | "factory">>> = {
  "rolled-back": "previous",
  "rolled-back-to-factory": "factory",
};

/** What is told of a change of release once it has ended. */
export async function resultOf(
  system: System,
  { target }: Deployable,
  { component, from, to }: ReleaseChange,
  operation: string,
  { outcome, error, code, hint }: Begun,
  started: number,
  run: Run,
): Promise<ReleaseResult> {
  const { current } = await target.pointers();
  const live = current.state === "to" ? current.version : undefined;
  const depth = DEPTHS[outcome];
  const elapsedMs = monotonicMs() - started;
  const waysTried = system.journal.read(operation).sequence;
  const isAside = outcome !== "committed" && (await hasDataAside(system, operation, run));
  return {
    outcome,
    component,
    from,
    to,
    depth,
    live,
    operation,
    waysTried,
    error,
    code,
    hint,
    isDataAside: isAside,
    elapsedMs,
  };
}

/** Whether the data from before lie aside, since a release that failed ran on them. */
async function hasDataAside(system: System, operation: string, run: Run): Promise<boolean> {
  const aside = await listSetAside(system, run).catch(() => []);
  return aside.some(({ operation: { id }, word }) => id === operation && word === "before");
}
