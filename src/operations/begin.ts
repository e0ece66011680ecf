import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { carryOut } from "../journal/carry-out.ts";
import type { Outcome } from "../journal/journal.ts";
import type { Plan, Step } from "../journal/plan.ts";
import type { Outside } from "../targets/folder/outside.ts";
import { type Baseline, sampleChecks } from "./acts/healthy.ts";
import { type Metrics, performer } from "./acts/perform.ts";
import { sampleMetrics } from "./acts/proven.ts";
import { type Component, type ComponentsConfig, settledConfig } from "./components.ts";
import { closeGates, openGates } from "./gate.ts";
import { lockComponents } from "./operation-lock.ts";
import { pointSource } from "./point-source.ts";
import { whoIs } from "./record.ts";
import { settleHolds } from "./releases/hold.ts";
import { surroundingsOf, type System } from "./system.ts";
import { componentsOf, refuseInterrupted } from "./unfinished.ts";

/** What the journal keeps so that `recover` needs no other file. */
export type OperationSetup = {
  readonly components: ComponentsConfig;
  readonly baseline: Baseline;
  readonly metrics?: Metrics;
  /** Of a deploy or rollback, for the history. */
  readonly release?: ReleaseChange;
};

export type ReleaseChange = {
  readonly component: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly factory: string | undefined;
  /** Files of the release that lie outside of the releases too. */
  readonly outside: readonly Outside[];
};

export type Intended = {
  readonly id: string;
  readonly kind: string;
  /** Made once nobody else can change anything; given who was stopped by then. */
  readonly plan: (down: readonly string[]) => Promise<Plan>;
  readonly components: readonly Component[];
  readonly reason: string;
  readonly release?: () => ReleaseChange | undefined;
  /** Whether it is refused when a required check is bad already. */
  readonly ifUnwell: "go on" | "refuse";
};

export type Begun = {
  readonly outcome: Outcome;
  readonly error: string | undefined;
  /** Of the error, as docs/errors.md has them. */
  readonly code: string | undefined;
  /** Where to look for the reason of the error. */
  readonly hint: string | undefined;
  /** Components that do not run now: they were stopped before, or whoever looks at the data first starts them. */
  readonly leftStopped: readonly string[];
};

/** Locks, records and carries out an operation. Until the journal knows it, it throws. */
export async function begin(system: System, intended: Intended, run: Run): Promise<Begun> {
  const { id, kind, components, reason } = intended;
  using _lock = lockOrTell(system, components);
  refuseInterrupted(system, components);
  const down = await stoppedAmong(components, run);
  const plan = await intended.plan(down);
  const baseline = await sampleChecks(components, run);
  // Where nothing is live yet, nothing can be well.
  const release = intended.release?.();
  const isFirst = release?.from === undefined;
  if (intended.ifUnwell === "refuse" && !isFirst) refuseUnwell(kind, components, baseline);
  const isProven = plan.steps.some(({ act }) => act === "proven");
  const metrics = isProven ? await sampleMetrics(components, run) : {};
  const setup: OperationSetup = {
    // A link may lead elsewhere by the time that somebody recovers or undoes.
    components: Object.fromEntries(components.map((one) => [one.name, settledConfig(one)])),
    baseline,
    metrics,
    ...(release === undefined ? {} : { release }),
  };
  const started = system.host.clock.now().toISOString();
  const names = components.map(({ name }) => name);
  await closeGates(system.paths, names);
  try {
    system.journal.create({ id, kind, plan, setup, started, who: whoIs(system), reason });
  } catch (error) {
    await openGates(system, components, run);
    throw error;
  }
  const executor = {
    journal: system.journal,
    perform: performer(components, {
      source: pointSource(system),
      folder: surroundingsOf(system).folder,
      baseline,
      metrics,
      outside: setup.release,
    }),
    clock: system.host.clock,
  };
  const { outcome, error } = await carryOut(id, executor, run);
  await openGates(system, components, run);
  await settleHolds(system.paths, { id, kind, setup }, outcome, system.host.clock);
  const hint = error instanceof AppError ? error.hint : undefined;
  const message = error === undefined ? undefined : (error as Error).message;
  const leftStopped = stoppedAfter(plan, outcome, down);
  const code = error instanceof AppError ? error.code : undefined;
  return { outcome, error: message, code, hint, leftStopped };
}

/** Who does not run once it has ended: stopped by it, or before, and not started by the way it took. */
function stoppedAfter({ steps, ways }: Plan, outcome: Outcome, down: readonly string[]): string[] {
  const isForward = outcome === "committed";
  const named = (act: "stopped" | "running", of: readonly Step[]): string[] =>
    of.flatMap((step) => (step.act === act ? [step.component] : []));
  const started = named("running", isForward ? steps : ways.flatMap((way) => way.steps));
  return (isForward ? named("stopped", steps) : [...down]).filter(
    (name) => !started.includes(name),
  );
}

/** Whoever cannot be asked whether it lives must not be stopped: then it throws. */
async function stoppedAmong(components: readonly Component[], run: Run): Promise<string[]> {
  const down: string[] = [];
  for (const { name, runner } of components) {
    if (runner === undefined) continue;
    const isDown = (await runner.isDown?.(run)) ?? !(await runner.isAlive(run));
    if (isDown) down.push(name);
  }
  return down;
}

/** LOCKED, with who has the lock. */
function lockOrTell({ paths, journal }: System, components: readonly Component[]): Disposable {
  const names = components.map(({ name }) => name);
  try {
    return lockComponents(paths.locks, names);
  } catch (error) {
    const other = journal
      .unfinished()
      .find((one) => componentsOf(one).some((name) => names.includes(name)));
    if (!hasCode(error, "LOCKED") || other === undefined) throw error;
    const { id, kind, who, started } = other;
    const by = who === "" ? "" : ` by ${who}`;
    const message = `lock ${names.join(", ")}: ${kind} ${id}${by} is under way since ${started}`;
    throw new AppError("LOCKED", message, { hint: (error as AppError).hint, cause: error });
  }
}

/** An outage outside would lead a good release to factory. */
function refuseUnwell(kind: string, components: readonly Component[], baseline: Baseline): void {
  for (const { name: component, checks } of components) {
    const bad = checks.find(
      ({ name, isRequired }) => isRequired && baseline[`${component}/${name}`] === "bad",
    );
    if (bad === undefined) continue;
    throw new AppError("REFUSED", `${kind} ${component}: check ${bad.name} is bad already`, {
      hint: "A failure could not be told from what is bad now. Mend that first, or: --force",
    });
  }
}
