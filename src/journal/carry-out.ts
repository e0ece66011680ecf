import type { Clock } from "../base/clock.ts";
import type { Run } from "../base/events.ts";
import type { Journal, Outcome } from "./journal.ts";
import { describeStep, type Plan, type Step, type Way } from "./plan.ts";

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
    journal.finish(id, "committed", now(executor));
    return { outcome: "committed", error: undefined };
  } catch (error) {
    return { outcome: await goBack(id, plan, begun, 1, error, executor, run), error };
  }
}

/**
 * Ends an operation that a crash interrupted: what is not known to be committed goes back. When
 * the crash came on a way back, that way is gone again from its start.
 */
export async function recoverOperation(id: string, executor: Executor, run: Run): Promise<Ended> {
  const { plan, sequence, begun, outcome } = executor.journal.read(id);
  if (outcome !== undefined) return { outcome, error: undefined };
  const error = new Error("the process was lost");
  return {
    outcome: await goBack(id, plan, begun, Math.max(1, sequence), error, executor, run),
    error,
  };
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
  // What was cancelled must still be taken back, so going back does not listen to the signal.
  const toTheEnd: Run = { ...run, signal: new AbortController().signal };
  const reason = error instanceof Error ? error.message : String(error);
  run.report({ type: "warning", message: `going back: ${reason}` });
  for (const [index, way] of plan.ways.entries()) {
    if (index + 1 < firstWay) continue;
    bestEffort(() => executor.journal.recordBack(id, index + 1, reason), run);
    if (await gone(way, begun, executor, toTheEnd)) {
      return end(id, outcomeOf(way, plan, begun), executor, run);
    }
  }
  return end(id, "needs-human", executor, run);
}

/** Whether the way could be gone to its end. */
async function gone(way: Way, begun: number, executor: Executor, run: Run): Promise<boolean> {
  for (const step of way.steps) {
    if (step.ifBegun !== undefined && begun <= step.ifBegun) continue;
    if (step.unlessBegun !== undefined && begun > step.unlessBegun) continue;
    try {
      await performReported(step, executor, run);
    } catch (error) {
      const message = `${describeStep(step)}: ${(error as Error).message}`;
      run.report({ type: "warning", message });
      // What is superfluous harms nobody; it is removed another time.
      if (step.act !== "discarded") return false;
    }
  }
  return true;
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
  run.report({ type: "step.started", step: name });
  await perform(step, run);
  run.report({ type: "step.finished", step: name, elapsedMs: performance.now() - started });
}

function now({ clock }: Executor): string {
  return clock.now().toISOString();
}
