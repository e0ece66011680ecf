import type { Run } from "../base/events.ts";
import { recoverOperation } from "../journal/carry-out.ts";
import type { Outcome } from "../journal/journal.ts";
import { performer } from "./acts.ts";
import { openComponents } from "./components.ts";
import { lockComponents } from "./operation-lock.ts";
import { pointSource } from "./point-source.ts";
import type { OperationSetup } from "./restore.ts";
import { unfinishedOf } from "./unfinished.ts";
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
  for (const { id, setup } of unfinishedOf(system).interrupted) {
    const { components: configs, baseline } = setup as OperationSetup;
    using _lock = lockComponents(system.paths.locks, Object.keys(configs));
    const components = await openComponents(configs, surroundingsOf(system));
    const executor = {
      journal: system.journal,
      perform: performer(components, pointSource(system), baseline),
      clock: system.host.clock,
    };
    const { outcome } = await recoverOperation(id, executor, run);
    operations.push({ operation: id, outcome });
  }
  return { operations };
}
