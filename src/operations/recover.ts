import type { Run } from "../base/events.ts";
import { recoverOperation } from "../journal/carry-out.ts";
import type { Outcome, Progress } from "../journal/journal.ts";
import { performer } from "./acts.ts";
import { openComponents } from "./components.ts";
import { lockComponents } from "./operation-lock.ts";
import { pointSource } from "./point-source.ts";
import type { OperationSetup } from "./restore.ts";
import { componentsOf, unfinishedOf } from "./unfinished.ts";
import { surroundingsOf, type System } from "./system.ts";

export type Recovered = {
  readonly operations: readonly { readonly operation: string; readonly outcome: Outcome }[];
};

/**
 * Ends every operation that a crash interrupted. What to do is read from the journal, not from a
 * configuration that may have been changed or restored since.
 */
export async function recover(system: System, run: Run): Promise<Recovered> {
  const operations: { operation: string; outcome: Outcome }[] = [];
  for (const operation of unfinishedOf(system).interrupted) {
    using _lock = lockComponents(system.paths.locks, componentsOf(operation));
    const outcome = await recoverOne(system, operation, run);
    operations.push({ operation: operation.id, outcome });
  }
  return { operations };
}

/** Ends one operation, whose components are locked. */
export async function recoverOne(
  system: System,
  { id, setup }: Progress,
  run: Run,
): Promise<Outcome> {
  const { components: configs, baseline } = setup as OperationSetup;
  const components = await openComponents(configs, surroundingsOf(system));
  const executor = {
    journal: system.journal,
    perform: performer(components, pointSource(system), baseline),
    clock: system.host.clock,
  };
  return (await recoverOperation(id, executor, run)).outcome;
}
