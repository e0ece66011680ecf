import assert from "node:assert/strict";
import { type Effects, realEffects } from "../../base/effects.ts";
import type { Run } from "../../base/events.ts";
import type { Perform } from "../../journal/carry-out.ts";
import type { Step } from "../../journal/plan.ts";
import type { Slot } from "../../slots/slot.ts";
import type { StoreVersions } from "../../stores/store.ts";
import { type Source, storeSlot } from "../../stores/store-slot.ts";
import { versionsOf } from "../../stores/versions.ts";
import { type Outside, outsideSlot } from "../../targets/folder/outside.ts";
import type { Target } from "../../targets/target.ts";
import type { Component, OpenStore } from "../components.ts";
import { readsLive, rememberKinds, schemasOf } from "../releases/compatibility.ts";
import { type Baseline, refuseUnsteady, waitUntilHealthy } from "./healthy.ts";
import { migrate, refuseMigration } from "./migrate.ts";
import { rebuild } from "./rebuild.ts";
import { prove } from "./proven.ts";
import { start, stop } from "./stop-start.ts";

/** What acts work with besides what is open. */
export type Means = {
  readonly source: Source;
  /** Where commands run. */
  readonly folder: string;
  readonly baseline: Baseline;
  /** Measured before anything was touched, by component and metric. */
  readonly metrics?: Metrics;
  /** Files of a release that lie outside of the releases too, of which component. */
  readonly outside?:
    | { readonly component: string; readonly outside?: readonly Outside[] }
    | undefined;
  readonly effects?: Effects;
};

/** By "component/metric". */
export type Metrics = Readonly<Record<string, readonly number[]>>;

type Opened = {
  readonly stores: ReadonlyMap<string, OpenStore>;
  readonly targets: ReadonlyMap<string, Target>;
  /** Everything that has a live version, by name. */
  readonly slots: ReadonlyMap<string, Slot>;
};

function openSlots(components: readonly Component[], means: Means): Opened {
  const { source, outside, effects = realEffects } = means;
  const stores = new Map<string, OpenStore>();
  const targets = new Map<string, Target>();
  const slots = new Map<string, Slot>();
  for (const { name, target, stores: own } of components) {
    for (const open of own) {
      stores.set(open.store.name, open);
      slots.set(open.store.name, storeSlot(open.store, source, effects));
    }
    if (target === undefined) continue;
    targets.set(name, target);
    slots.set(name, target);
    for (const file of outside?.component === name ? (outside.outside ?? []) : []) {
      slots.set(file.slot, outsideSlot(target.root, file, effects));
    }
  }
  return { stores, targets, slots };
}

/** Ties the acts of plans to the components, targets and stores that are open. */
export function performer(components: readonly Component[], means: Means): Perform {
  const { baseline, folder, metrics = {}, effects = realEffects } = means;
  const { stores, targets, slots } = openSlots(components, means);
  const componentOf = (name: string): Component =>
    found(
      components.find((one) => one.name === name),
      name,
    );
  const slotOf = (name: string): Slot => found(slots.get(name), name);
  const storeOf = (name: string): OpenStore => found(stores.get(name), name);
  const versionsAt = (name: string): StoreVersions => versionsOf(storeOf(name).store, effects);
  const targetOf = (name: string): Target => found(targets.get(name), name);

  return async (step, run) => {
    switch (step.act) {
      case "staged":
        await slotOf(step.slot).stage(step.version, run);
        if (targets.has(step.slot)) await refuseMigration(componentOf(step.slot), step.version);
        return;
      case "verified":
        return await slotOf(step.slot).verify(step.version, run);
      case "active":
        return await slotOf(step.slot).activate(step.version, step.displaced, run);
      case "discarded":
        return await slotOf(step.slot).discard(step.version, run);
      case "saved":
        return await versionsAt(step.slot).save(step.version, run);
      case "migrated":
        return await migrate(componentOf(step.slot), step.version, run);
      case "copied":
        return await versionsAt(step.slot).copy(step.from, step.version, run);
      case "condemned":
        return await targetOf(step.slot).condemn(step.version, run);
      case "readable":
        return await makeReadable(step, storeOf(step.slot), componentOf, effects, run);
      case "rejected":
        return await targetOf(step.slot).reject(step.version, step.evidence, run);
      case "promoted":
        return await promote(step, targetOf(step.slot), componentOf(step.slot), run);
      case "thinned":
        return await targetOf(step.slot).thin(step.keeps ?? [], run);
      case "released":
        return await storeOf(step.slot).store.hold?.release(run);
      case "rebuilt":
        return await rebuild(storeOf(step.slot), folder, run);
      case "stopped":
        return await stop(componentOf(step.component), run);
      case "running":
        return await start(componentOf(step.component), run);
      case "healthy":
        return await waitUntilHealthy(componentOf(step.component), step, baseline, run);
      case "steady":
        return await refuseUnsteady(componentOf(step.component), run);
      case "proven":
        return await prove(componentOf(step.component), metrics, run);
    }
  };
}

/** With a release that is good goes what its data look like, and what was done to them. */
async function promote(
  { version, previous, left }: Extract<Step, { act: "promoted" }>,
  target: Target,
  component: Component,
  run: Run,
): Promise<void> {
  await target.promote(version, previous, left, run);
  await target.mark(version, { schemas: await schemasOf(component, run) });
  for (const open of component.stores) await rememberKinds(open, target);
}

function found<T>(value: T | undefined, name: string): T {
  assert(value !== undefined, `the plan names something that is not there: ${name}`);
  return value;
}

/** What ran before has to find data that it can read. */
async function makeReadable(
  { version, displaced }: Extract<Step, { act: "readable" }>,
  open: OpenStore,
  componentOf: (name: string) => Component,
  effects: Effects,
  run: Run,
): Promise<void> {
  const versions = versionsOf(open.store, effects);
  // Half a switch would be judged as if it were the data.
  await versions.settle(run);
  if (!(await versions.isReady(version, run))) return;
  const { stores, target } = componentOf(open.component);
  // All of a component go back or none: data of two times belong to no release.
  for (const one of stores) {
    const its = versionsOf(one.store, effects);
    const isBegun = await its.isReady(displaced, run);
    if (!isBegun && !(await its.isReady(version, run))) continue;
    if (!isBegun && (await readsLive(one, version, target, run))) continue;
    const what = isBegun
      ? ""
      : `the release before cannot read what was made of ${one.store.name}; `;
    const message = `${open.store.name}: ${what}the copy from before is put back`;
    run.report({ type: "warning", message });
    return await versions.activate(version, displaced, run);
  }
}
