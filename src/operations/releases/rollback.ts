import { monotonicMs } from "../../base/clock.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { planChange, type StoreSwitch } from "../../journal/plan-change.ts";
import type { Plan } from "../../journal/plan.ts";
import { version, type Version } from "../../slots/slot.ts";
import { compareVersions } from "../../targets/compare-versions.ts";
import { versionOf } from "../../targets/target.ts";
import type { Outside } from "../../targets/folder/outside.ts";
import { saveGivenUp } from "../given-up.ts";
import { begin, type ReleaseChange } from "../begin.ts";
import { type PlanPreview, previewPlan } from "../plan-preview.ts";
import { newOperationId } from "../record.ts";
import { listSetAside, neededForUndo } from "../set-aside.ts";
import type { System } from "../system.ts";
import { chainOf, previousFor, savedStores } from "./chain.ts";
import {
  compatibilityOf,
  type Compatibility,
  rememberSchemas,
  type StoreVerdict,
} from "./compatibility.ts";
import { type DataBack, dataFor, lossOf } from "./data-back.ts";
import {
  displacing,
  outsideBack,
  outsideOf,
  outsideOfFactory,
  outsideOfLeft,
  outsideSwitches,
  together,
} from "./outside.ts";
import { resultOf, type ReleaseResult } from "./deploy.ts";
import {
  type Deployable,
  deployable,
  findRelease,
  releaseVersion,
  withDependents,
  withRunningDependents,
} from "./target-of.ts";

export type RollbackOptions = {
  /** "previous", "factory" or a version. */
  readonly to: string;
  /** By default data go back only where the release could not read them. */
  readonly data: "as-needed" | "with-data" | "code-only";
  readonly reason: string;
  readonly force: boolean;
};

export type RollbackPreview = {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly verdict: Compatibility;
  readonly stores: readonly StoreVerdict[];
  /** The data that go back too; undefined when only the code does. */
  readonly data: DataBack | undefined;
  /** What is live now and would not be afterwards, by store. */
  readonly loss: Readonly<Record<string, readonly string[]>>;
  readonly plan: PlanPreview;
};

type Decided = Omit<RollbackPreview, "plan" | "loss"> & {
  readonly version: Version;
  readonly outside: readonly Outside[];
  /** Those of the release that is left. */
  readonly left: readonly Outside[];
  /** Those of the factory release, to which it may have to go back. */
  readonly ofFactory: readonly Outside[];
};

/** What a rollback would do. Changes nothing. */
export async function previewRollback(
  system: System,
  named: string | undefined,
  options: RollbackOptions,
  run: Run,
): Promise<RollbackPreview> {
  const component = deployable(system, named);
  const decided = await decide(system, component, options, run);
  const [damage] = await component.target.problemsOf(decided.version, "what-changed", run);
  if (damage !== undefined) {
    const message = `release ${decided.to} is damaged, and will not be gone back to: ${damage}`;
    run.report({ type: "warning", message });
  }
  const plan = await planFor(system, component, decided, "this", run);
  const loss = decided.data === undefined ? {} : await lossOf(system, component, decided.data, run);
  return { ...decided, loss, plan: previewPlan(plan) };
}

/**
 * Makes an earlier release the live one, with its data where that is needed. What is left counts as
 * bad from then on. A rollback that is not healthy goes back to where it began.
 */
export async function rollback(
  system: System,
  named: string | undefined,
  options: RollbackOptions,
  run: Run,
): Promise<ReleaseResult> {
  const started = monotonicMs();
  const component = deployable(system, named);
  const id = newOperationId(system);
  let decided: Decided | undefined;
  const release = (): ReleaseChange => ({
    component: component.name,
    from: decided?.from,
    to: decided?.to ?? "",
    factory: undefined,
    outside: together(decided?.ofFactory ?? [], decided?.left ?? [], decided?.outside ?? []),
  });
  const ended = await begin(
    system,
    {
      id,
      kind: "rollback",
      plan: async () => {
        decided = await decide(system, component, options, run);
        return await planFor(system, component, decided, id, run);
      },
      components: withDependents(system, [component]),
      reason: options.reason,
      release,
      ifUnwell: "go on",
    },
    run,
  );
  const result = await resultOf(system, component, release(), id, ended, started, run);
  await saveGivenUp(system, run);
  return result;
}

async function decide(
  system: System,
  component: Deployable,
  { to: wanted, data: mode, force }: RollbackOptions,
  run: Run,
): Promise<Decided> {
  const { name, target } = component;
  const pointers = await target.pointers();
  const from = versionOf(pointers.current);
  const to =
    wanted === "previous" || wanted === "factory"
      ? versionOf(pointers[wanted])
      : releaseVersion(wanted);
  if (to === undefined) {
    throw new AppError("NOT_FOUND", `roll back ${name} to ${wanted}: there is none`, {
      hint: `See what there is: lastgood releases ${name}`,
    });
  }
  const release = await findRelease(target, to);
  if (release === undefined) {
    throw new AppError("NOT_FOUND", `roll back ${name} to ${to}: there is no such release`, {
      hint: `See what there is: lastgood releases ${name}`,
    });
  }
  if (from === to) {
    throw new AppError("ALREADY_EXISTS", `roll back ${name} to ${to}: it is the live release`, {
      hint: `Name the one to go back to; what there is: lastgood releases ${name}`,
    });
  }
  if (release.verdict === "bad" && !force) {
    throw new AppError(
      "REFUSED",
      `roll back ${name} to ${to}: it is marked as bad: ${release.reason}`,
      {
        hint: "Choose another, or say --force.",
      },
    );
  }
  const fit = await compatibilityOf(component, to, run);
  const isNeeded =
    mode === "with-data" || (mode === "as-needed" && fit.verdict === "restore-required");
  const data = isNeeded ? await dataFor(system, component, to, run) : undefined;
  if (isNeeded && data === undefined) {
    const why = fit.stores.find(({ verdict }) => verdict === fit.verdict)?.why ?? "asked for";
    throw new AppError("REFUSED", `roll back ${name} to ${to}: no data that fit it (${why})`, {
      hint: "Choose a release that can read what is live, or bring data back first: lastgood points",
    });
  }
  const outside = await outsideOf(system, component, to);
  const left = from === undefined ? [] : await outsideOfLeft(system, component, from, run);
  const ofFactory = await outsideOfFactory(system, component, versionOf(pointers.factory), run);
  return { component: name, from, to, version: to, ...fit, data, outside, left, ofFactory };
}

async function planFor(
  system: System,
  component: Deployable,
  { version: to, data, outside, left, ofFactory }: Decided,
  id: string,
  run: Run,
): Promise<Plan> {
  const { name, target } = component;
  const chain = await chainOf(component, { force: true, isRepair: true }, run);
  if (chain.from !== undefined && id !== "this") {
    await rememberSchemas(component, chain.from, run);
  }
  const { from, factory } = chain;
  // Whoever goes on to a newer release leaves a good one, and so does who leaves factory.
  const leavesBad = from !== undefined && from !== factory && compareVersions(to, from) < 0;
  const previous = await previousFor(target, to, leavesBad ? from : undefined, run);
  const keeps = neededForUndo(await listSetAside(system, run), name);
  return planChange({
    stores: [
      ...storesBack(name, data, id),
      ...(await outsideSwitches(component, outside, to, from, id, run)),
      ...(await outsideBack(system, component, { from, to }, left, outside, id, run)),
    ],
    releases: [
      {
        slot: name,
        component: name,
        to,
        ...chain,
        factoryFiles: displacing(ofFactory, id),
        evidence: undefined,
        previous,
        leavesBad,
        keeps,
      },
    ],
    saved: savedStores(component, id).filter(({ slot }) => data?.stores.includes(slot) !== true),
    rebuilds: rebuildsFor(component, data),
    components: (await withRunningDependents(system, [component], run)).map((one) => one.name),
  });
}

/** What does not come back with the others, and is made of them. */
function rebuildsFor(
  { name, stores }: Deployable,
  data: DataBack | undefined,
): { slot: string; component: string }[] {
  if (data === undefined) return [];
  return stores
    .filter(
      ({ store, config }) => config.rebuild !== undefined && !data.stores.includes(store.name),
    )
    .map(({ store }) => ({ slot: store.name, component: name }));
}

function storesBack(component: string, data: DataBack | undefined, id: string): StoreSwitch[] {
  if (data === undefined) return [];
  const from = version(data.version);
  return data.stores.map((slot) => ({
    slot,
    component,
    // The copy itself stays as it is: the release may not become healthy, having changed it.
    ...(data.isAside ? { to: version(`${from}.${id}`), copyOf: from } : { to: from }),
    displaced: version(`before-${id}`),
    rejected: version(`rejected-${id}`),
    ready: false,
  }));
}
