import { existsSync } from "node:fs";
import { namesIn } from "../base/effects.ts";
import { AppError } from "../base/errors.ts";
import { isReadOnly } from "../base/fs.ts";
import { endOrphans } from "../base/orphans.ts";
import type { Run } from "../base/events.ts";
import { recoverOperation } from "../journal/carry-out.ts";
import { Journal, type Outcome, type Progress } from "../journal/journal.ts";
import type { Source } from "../stores/store-slot.ts";
import { performer } from "./acts/perform.ts";
import {
  type ComponentsConfig,
  openComponents,
  openComponentsOf,
  type Surroundings,
} from "./components.ts";
import { removeLeftDrill } from "./drill/left.ts";
import { gatesFolder, openGates } from "./gate.ts";
import { readOnlyStores } from "./live-data.ts";
import { lockComponents } from "./operation-lock.ts";
import { pointSource } from "./point-source.ts";
import type { OperationSetup } from "./begin.ts";
import type { Deployable } from "./releases/target-of.ts";
import { type Announced, announcerOf, announcing } from "./updater/announce.ts";
import { settleHolds } from "./releases/hold.ts";
import { componentsOf, needingHuman, unfinishedOf } from "./unfinished.ts";
import { type Host, pathsIn, surroundingsOf, type StatePaths, type System } from "./system.ts";

export type Recovered = {
  readonly operations: readonly { readonly operation: string; readonly outcome: Outcome }[];
};

/** What ending an operation needs; all else of it is in the journal. */
export type Recoverable = {
  readonly journal: Journal;
  readonly paths: StatePaths;
  readonly surroundings: Surroundings;
  readonly source: Source;
  /** The configuration as it is now, where it can be read. */
  readonly now?: ComponentsConfig;
  /** Tells an updater's users of it, where there are any. */
  readonly announce?: (setup: OperationSetup, run: Run) => Announced | undefined;
};

const HINT =
  "Nothing was touched. Mount it for writing; Linux makes a disk with errors read-only: see dmesg.";

export function recoverable(system: System): Recoverable {
  const { journal, paths } = system;
  const announce = ({ release }: OperationSetup, run: Run): Announced | undefined => {
    const component = system.components.find(({ name }) => name === release?.component);
    const announcer = component && announcerOf(system, component.name);
    if (component?.target === undefined || release === undefined) return undefined;
    return announcer && announcing(component as Deployable, release.to, announcer, run);
  };
  const surroundings = surroundingsOf(system);
  const now = system.config.components;
  return { journal, paths, surroundings, source: pointSource(system), now, announce };
}

/**
 * Ends every operation that a crash interrupted. What to do, and where, is read from the journal, not from a
 * configuration that may have been changed or restored since; how the application is run and asked, from both.
 */
export async function recover(
  system: Recoverable,
  run: Run,
  which: "interrupted" | "needs-human too" = "needs-human too",
): Promise<Recovered> {
  const operations: { operation: string; outcome: Outcome }[] = [];
  // What needed a human is only tried again when one says so.
  const again = which === "interrupted" ? [] : needingHuman(system);
  const toEnd = [...unfinishedOf(system).interrupted, ...again];
  if (toEnd.length > 0 && isReadOnly(system.paths.state)) {
    throw new AppError("REFUSED", `recover: the disk of ${system.paths.state} is read-only`, {
      hint: HINT,
    });
  }
  for (const operation of toEnd) {
    using _lock = lockComponents(system.paths.locks, componentsOf(operation));
    await refuseReadOnly(system, operation);
    // Whatever stood in the way may be gone by now: each act can be repeated.
    if (operation.outcome !== undefined) system.journal.reopen(operation.id);
    const outcome = await recoverOne(system, operation, run);
    operations.push({ operation: operation.id, outcome });
  }
  await removeLeftDrill(system);
  const names = await namesIn(gatesFolder(system.paths));
  await openGates(
    system,
    names.map((name) => ({ name })),
    run,
  );
  return { operations };
}

/** Before anything is stopped: what has to be written and cannot be is put right by nobody. */
async function refuseReadOnly(
  { surroundings }: Recoverable,
  { setup, plan }: Progress,
): Promise<void> {
  const components = await openComponents((setup as OperationSetup).components, surroundings);
  const slots = new Set(plan.steps.map((step) => ("slot" in step ? step.slot : undefined)));
  const stores = components.flatMap((one) => one.stores);
  const [store] = readOnlyStores(stores.filter((one) => slots.has(one.store.name)));
  if (store === undefined) return;
  throw new AppError("REFUSED", `recover ${store.livePath}: the disk is read-only`, { hint: HINT });
}

/** As `recover`, from the state folder alone: the configuration may be broken just then. */
export async function recoverState(
  state: string,
  folder: string,
  { clock }: Host,
  run: Run,
): Promise<Recovered> {
  const paths = pathsIn(state);
  if (!existsSync(paths.journal)) {
    throw new AppError("NOT_FOUND", `recover in ${state}: there is no journal`, {
      hint: "Name the state folder of the configuration: --state FOLDER",
    });
  }
  using journal = new Journal(paths.journal);
  const surroundings = { folder, state, temporary: paths.temporary, clock };
  return await recover({ journal, paths, surroundings, source: noSource }, run);
}

/** Going back needs what lies beside the live data, and no repository. */
const noSource: Source = {
  read: () => Promise.reject(new AppError("NOT_FOUND", "read a point: there is no configuration")),
  facts: async () => undefined,
};

/** Ends one operation, whose components are locked. */
export async function recoverOne(
  { journal, paths, surroundings, source, now, announce }: Recoverable,
  { id, kind, setup }: Progress,
  run: Run,
): Promise<Outcome> {
  const { components: configs, baseline, release } = setup as OperationSetup;
  // What it had started may go on, and change what is just being put back.
  const orphans = await endOrphans();
  if (orphans > 0)
    run.report({ type: "warning", message: `${orphans} programs that it left were ended` });
  const components = await openComponentsOf(configs, now, surroundings);
  const perform = performer(components, {
    source,
    folder: surroundings.folder,
    baseline,
    outside: release,
  });
  const { clock, state } = surroundings;
  const told = kind === "deploy" ? announce?.(setup as OperationSetup, run) : undefined;
  const executor = { journal, perform, clock };
  const { outcome, error } = await recoverOperation(id, executor, told?.run ?? run);
  await told?.end(outcome, error instanceof Error ? error.message : undefined);
  await openGates({ paths, journal }, components, run);
  await settleHolds({ state }, { id, kind, setup }, outcome, clock);
  return outcome;
}
