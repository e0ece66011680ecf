import type { Version } from "../slots/slot.ts";
import type { Plan, Step } from "./plan.ts";
import { active, healthy, steady, verified } from "./steps.ts";
import { waysBack } from "./ways-back.ts";

/** A store whose content changes, with the component that must not run meanwhile. */
export type StoreSwitch = {
  readonly slot: string;
  readonly component: string;
  readonly to: Version;
  /** The name that what is live now gets. */
  readonly displaced: Version;
  /** The name under which the version lies after going back, with what was written to it since. */
  readonly rejected: Version;
  /** Whether the version to switch to lies ready already, as after an earlier switch. */
  readonly ready: boolean;
  /** The version of which it is to be made, which stays as it is. */
  readonly copyOf?: Version;
  /** Whether it is a file of the release, and what becomes of it lies there too. */
  readonly isOfRelease?: true;
  /** Whether what it displaces lies elsewhere too, and need not be kept. */
  readonly isCopy?: boolean;
};

/** A target whose release changes. */
export type ReleaseSwitch = {
  readonly slot: string;
  readonly component: string;
  readonly to: Version;
  /** What is live now, to which a failure goes back. Undefined: nothing is. */
  readonly from: Version | undefined;
  /** Whether what is live now can be gone back to: it verifies. */
  readonly fromIsSound: boolean;
  /** Whether somebody insists on going back to what is live though it is damaged. */
  readonly isUnverified?: true;
  /** Where a failure goes when what was live is not healthy either. */
  readonly factory: Version | undefined;
  /** Files of the factory release that lie outside of the releases, and differ from what lies there. */
  readonly factoryFiles?: readonly Pick<StoreSwitch, "slot" | "displaced">[];
  /** The name of a failed release; undefined: it stays, since it was there before. */
  readonly evidence: Version | undefined;
  /** What `previous` shall mean once this is committed. */
  readonly previous: Version | undefined;
  /** Whether what is left now is left because it is bad. */
  readonly leavesBad: boolean;
  /** Versions that `undo` may need. */
  readonly keeps?: readonly Version[];
  /** Whether it may change the data while everything is stopped. */
  readonly migrates?: boolean;
};

/** A store of which a copy is kept, since a release may change it by itself. */
export type SavedStore = Pick<StoreSwitch, "slot" | "component" | "displaced" | "rejected">;

export type Change = {
  readonly stores: readonly StoreSwitch[];
  readonly releases?: readonly ReleaseSwitch[];
  readonly saved?: readonly SavedStore[];
  /** Copies that nobody needs once this is committed. */
  readonly superseded?: readonly { readonly slot: string; readonly version: Version }[];
  /** Stores that are made anew once the others are live and their component is well. */
  readonly rebuilds?: readonly Pick<StoreSwitch, "slot" | "component">[];
  /** Who must not run meanwhile, dependents first. */
  readonly components: readonly string[];
  /** Those of them that somebody had stopped: going back leaves them stopped. */
  readonly down?: readonly string[];
  /** Whether nobody is started or asked how it is: somebody wants to look at the data first. */
  readonly leftStopped?: boolean;
  /** Who is watched before the change counts as good. */
  readonly proven?: readonly string[];
};

/** With nothing left out. */
export type WholeChange = Required<Change>;

/**
 * Plans to make other versions live. First all that can fail without harm; then, with everything
 * stopped, the switches. The ways back undo just what was begun: to what was live, and to the
 * factory release when that is not healthy either.
 */
export function planChange(change: Change): Plan {
  const whole: WholeChange = {
    releases: [],
    saved: [],
    superseded: [],
    proven: [],
    rebuilds: [],
    down: [],
    leftStopped: false,
    ...change,
  };
  const { stores, releases, saved, components } = whole;
  const steps: Step[] = [
    ...releases.filter(({ evidence }) => evidence !== undefined).map(stagedStep),
    ...stores.filter(({ ready }) => !ready).map(stagedStep),
    ...[...stores, ...releases].map(({ slot, to }): Step => verified(slot, to)),
    ...components.map((component): Step => ({ act: "stopped", component })),
    ...saved.map(({ slot, displaced }): Step => ({ act: "saved", slot, version: displaced })),
    ...releases.filter(({ migrates }) => migrates).map(migratedStep),
    ...stores.map(({ slot, to, displaced }): Step => active(slot, to, displaced)),
    ...releases.map(({ slot, to, from }): Step => active(slot, to, from ?? to)),
    ...(whole.leftStopped ? [] : startedAndWell(whole)),
  ];
  return { steps, ways: waysBack(steps, whole), cleanup: cleanupOf(whole) };
}

function startedAndWell({ components, rebuilds, proven }: WholeChange): Step[] {
  const isQuick = (name: string): boolean => rebuilds.some(({ component }) => component === name);
  return [
    ...components.toReversed().map((component): Step => ({ act: "running", component })),
    ...components.toReversed().map((component): Step => ({
      ...healthy(component, "good"),
      ...(isQuick(component) ? { isQuick: true } : {}),
    })),
    // While one was watched, another may have died.
    ...(components.length > 1 ? components.toReversed().map(steady) : []),
    ...proven.map((component): Step => ({ act: "proven", component })),
  ];
}

const stagedStep = ({ slot, to, copyOf }: { slot: string; to: Version; copyOf?: Version }): Step =>
  copyOf === undefined
    ? { act: "staged", slot, version: to }
    : { act: "copied", slot, version: to, from: copyOf };

const migratedStep = ({ slot, to }: ReleaseSwitch): Step => ({
  act: "migrated",
  slot,
  version: to,
});

function cleanupOf({ releases, stores, superseded, rebuilds }: WholeChange): Step[] {
  return [
    ...releases.flatMap(({ slot, to, previous, from, leavesBad, keeps = [] }): Step[] => [
      { act: "promoted", slot, version: to, previous, left: leavesBad ? from : undefined },
      { act: "thinned", slot, keeps },
    ]),
    ...stores
      .filter(({ isCopy }) => isCopy)
      .map(({ slot, displaced }): Step => ({ act: "discarded", slot, version: displaced })),
    ...superseded.map(({ slot, version }): Step => ({ act: "discarded", slot, version })),
    ...rebuilds.map(({ slot }): Step => ({ act: "rebuilt", slot })),
    ...new Set(rebuilds.map(({ component }) => component))
      .values()
      .map((component) => healthy(component, "good")),
  ];
}
