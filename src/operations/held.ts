import type { Run } from "../base/events.ts";
import type { Plan } from "../journal/plan.ts";
import { type OpenStore, settledConfig } from "./components.ts";
import { newOperationId, whoIs } from "./record.ts";
import { recoverable, recoverOne } from "./recover.ts";
import type { System } from "./system.ts";
import { componentsOf } from "./unfinished.ts";

/** The kind under which the journal has what is held for a copy. */
const KIND = "hold";

/**
 * Has `capture` run while the journal knows what it holds: a process that is lost must not leave an
 * application stopped or locked for good.
 */
export async function recordHeld<T>(
  system: System,
  { store, component }: OpenStore,
  capture: () => Promise<T>,
  run: Run,
): Promise<T> {
  if (store.hold?.outlives !== true) return await capture();
  const { journal, host } = system;
  const id = newOperationId(system);
  const plan: Plan = {
    steps: [],
    ways: [{ depth: "previous", steps: [{ act: "released", slot: store.name }] }],
  };
  const owner = system.components.find(({ name }) => name === component)!;
  journal.create({
    id,
    kind: KIND,
    plan,
    setup: { components: { [component]: settledConfig(owner) }, baseline: {} },
    started: host.clock.now().toISOString(),
    who: whoIs(system),
    reason: `copy of ${store.name}`,
  });
  const now = (): string => host.clock.now().toISOString();
  try {
    const captured = await capture();
    journal.finish(id, "committed", now());
    return captured;
  } catch (error) {
    // Whether it was let go nobody knows. If that fails now it stays open, for `recover`.
    await store.hold.release(run);
    journal.finish(id, "aborted", now());
    throw error;
  }
}

/** Lets go what a backup that was lost still holds. The components have to be locked. */
export async function releaseAbandoned(system: System, run: Run): Promise<void> {
  const names = new Set(system.components.map(({ name }) => name));
  for (const operation of system.journal.unfinished()) {
    const isOurs = componentsOf(operation).every((name) => names.has(name));
    if (operation.kind === KIND && isOurs) await recoverOne(recoverable(system), operation, run);
  }
}
