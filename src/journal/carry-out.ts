import { translateFileError } from "../base/disk-errors.ts";
import type { Clock } from "../base/clock.ts";
import type { Run } from "../base/events.ts";
import type { Journal, Outcome } from "./journal.ts";
import { type Condition, describeStep, type Plan, type Step, type Way } from "./plan.ts";

/** Makes a step true. Each can be repeated after a crash with the same effect as once. */
export type Perform = (step: Step, run: Run) => Promise<void>;

export type Ended = {
  readonly outcome: Outcome;
  /** What went wrong on the way forward; undefined when nothing did. */
  readonly error: unknown;
};

export type Executor = {
  readonly journal: Journal;
  readonly perform: Perform;
  readonly clock: Clock;
};

/**
 * Carries out an operation that the journal knows. Forward, as long as nothing fails and the
 * journal can be written; else back, by the ways of its plan, until one of them succeeds.
 */
export async function carryOut(id: string, executor: Executor, run: Run): Promise<Ended> {
  const { journal } = executor;
  const { plan } = journal.read(id);
  let begun = 0;
  try {
    for (const step of plan.steps) {
      run.signal.throwIfAborted();
      journal.recordBegun(id, ++begun);
      await performReported(step, executor, run);
    }
    // With this it is committed: from here on nothing goes back.
    if (plan.cleanup === undefined || plan.cleanup.length === 0) {
      journal.finish(id, "committed", now(executor));
      return { outcome: "committed", error: undefined };
    }
    journal.recordBegun(id, begun + 1);
  } catch (failure) {
    // Known now only: whoever cancels while it goes back did not cause that.
    const error = run.signal.aborted ? new Error(CANCELLED, { cause: failure }) : failure;
    return { outcome: await goBack(id, plan, begun, 1, error, executor, run), error };
  }
  return { outcome: await cleanUp(id, plan, executor, run), error: undefined };
}

/**
 * Ends an operation that a crash interrupted: what is not known to be committed goes back. When
 * the crash came on a way back, that way is gone again from its start.
 */
export async function recoverOperation(id: string, executor: Executor, run: Run): Promise<Ended> {
  const { plan, sequence, begun, outcome } = executor.journal.read(id);
  if (outcome !== undefined) return { outcome, error: undefined };
  if (begun > plan.steps.length) {
    return { outcome: await cleanUp(id, plan, executor, run), error: undefined };
  }
  const error = new Error("the process was lost");
  return {
    outcome: await goBack(id, plan, begun, Math.max(1, sequence), error, executor, run),
    error,
  };
}

/** What follows a commit. Whatever fails here can be done another time. */
async function cleanUp(id: string, plan: Plan, executor: Executor, run: Run): Promise<Outcome> {
  const toTheEnd = uncancelled(run);
  for (const step of plan.cleanup ?? []) {
    try {
      // It may take hours, and can be done by hand.
      const isLong = step.act === "rebuilt";
      await performReported(step, executor, isLong ? run : toTheEnd);
    } catch (error) {
      run.report({ type: "warning", message: `${describeStep(step)}: ${messageOf(error)}` });
    }
  }
  return end(id, "committed", executor, run);
}

/** Why something went back that nothing was wrong with. */
export const CANCELLED = "cancelled";

/** What was cancelled must still be taken back, so going back does not listen to the signal. */
function uncancelled(run: Run): Run {
  return { ...run, signal: new AbortController().signal };
}

async function goBack(
  id: string,
  plan: Plan,
  begun: number,
  firstWay: number,
  error: unknown,
  executor: Executor,
  run: Run,
): Promise<Outcome> {
  const toTheEnd = uncancelled(run);
  const reason = messageOf(error);
  run.report({ type: "warning", message: `going back: ${reason}` });
  for (const [index, way] of plan.ways.entries()) {
    if (index + 1 < firstWay || !applies(way, begun)) continue;
    bestEffort(() => executor.journal.recordBack(id, index + 1, reason, now(executor)), run);
    const outcome = outcomeOf(way, plan, begun);
    run.report({ type: "back.began", depth: way.depth, outcome, reason });
    const problem = await problemOn(way, begun, executor, toTheEnd);
    run.report({ type: "back.ended", depth: way.depth, outcome, problem });
    if (problem === undefined) return end(id, outcome, executor, run);
  }
  return end(id, "needs-human", executor, run);
}

/** Why the way could not be gone to its end; undefined when it could. */
async function problemOn(
  way: Way,
  begun: number,
  executor: Executor,
  run: Run,
): Promise<string | undefined> {
  for (const step of way.steps) {
    if (!applies(step, begun)) continue;
    try {
      await performReported(step, executor, run);
    } catch (error) {
      const message = messageOf(error);
      run.report({ type: "warning", message: `${describeStep(step)}: ${message}` });
      // What is superfluous harms nobody; it is removed another time.
      if (!HARMLESS.has(step.act)) return message;
    }
  }
  return undefined;
}

const HARMLESS: ReadonlySet<Step["act"]> = new Set(["condemned", "discarded", "rejected"]);

function applies({ ifBegun, unlessBegun }: Condition, begun: number): boolean {
  return (
    (ifBegun === undefined || begun > ifBegun) &&
    (unlessBegun === undefined || begun <= unlessBegun)
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function outcomeOf({ depth }: Way, { steps }: Plan, begun: number): Outcome {
  const switched = steps.slice(0, begun).some(({ act }) => act === "active");
  if (!switched) return "aborted";
  return depth === "factory" ? "rolled-back-to-factory" : "rolled-back";
}

function end(id: string, outcome: Outcome, executor: Executor, run: Run): Outcome {
  bestEffort(() => executor.journal.finish(id, outcome, now(executor)), run);
  return outcome;
}

/** Going back does not stop because the journal cannot be written: every act can be repeated. */
function bestEffort(write: () => void, run: Run): void {
  try {
    write();
  } catch (error) {
    run.report({ type: "warning", message: `write journal: ${(error as Error).message}` });
  }
}

async function performReported(step: Step, { perform }: Executor, run: Run): Promise<void> {
  const started = performance.now();
  const name = describeStep(step);
  const facts = {
    step: name,
    act: step.act,
    of: "slot" in step ? step.slot : step.component,
    version: "version" in step ? step.version : undefined,
  };
  run.report({ type: "step.started", ...facts });
  try {
    await perform(step, run);
  } catch (error) {
    throw translateFileError(error, name);
  }
  run.report({ type: "step.finished", ...facts, elapsedMs: performance.now() - started });
}

function now({ clock }: Executor): string {
  return clock.now().toISOString();
}
