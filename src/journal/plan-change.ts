import type { Version } from "../slots/slot.ts";
import type { Condition, Plan, Step, Way } from "./plan.ts";

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
  /** Who must not run meanwhile, dependents first. */
  readonly components: readonly string[];
  /** Who is watched before the change counts as good. */
  readonly proven?: readonly string[];
};

type Whole = Required<Change>;

/**
 * Plans to make other versions live. First all that can fail without harm; then, with everything
 * stopped, the switches. The ways back undo just what was begun: to what was live, and to the
 * factory release when that is not healthy either.
 */
export function planChange(change: Change): Plan {
  const whole: Whole = { releases: [], saved: [], superseded: [], proven: [], ...change };
  const { stores, releases, saved, components, proven } = whole;
  const steps: Step[] = [
    ...releases.filter(({ evidence }) => evidence !== undefined).map(stagedStep),
    ...stores.filter(({ ready }) => !ready).map(stagedStep),
    ...[...stores, ...releases].map(({ slot, to }): Step => verified(slot, to)),
    ...components.map((component): Step => ({ act: "stopped", component })),
    ...saved.map(({ slot, displaced }): Step => ({ act: "saved", slot, version: displaced })),
    ...releases.filter(({ migrates }) => migrates).map(migratedStep),
    ...stores.map(({ slot, to, displaced }): Step => active(slot, to, displaced)),
    ...releases.map(({ slot, to, from }): Step => active(slot, to, from ?? to)),
    ...components.toReversed().map((component): Step => ({ act: "running", component })),
    ...components.toReversed().map((component): Step => healthy(component, "good")),
    // While one was watched, another may have died.
    ...(components.length > 1 ? components.toReversed().map(steady) : []),
    ...proven.map((component): Step => ({ act: "proven", component })),
  ];
  return { steps, ways: waysBack(steps, whole), cleanup: cleanupOf(whole) };
}

const stagedStep = ({ slot, to, copyOf }: { slot: string; to: Version; copyOf?: Version }): Step =>
  copyOf === undefined
    ? { act: "staged", slot, version: to }
    : { act: "copied", slot, version: to, from: copyOf };

const steady = (component: string): Step => ({ act: "steady", component });

const migratedStep = ({ slot, to }: ReleaseSwitch): Step => ({
  act: "migrated",
  slot,
  version: to,
});

const verified = (slot: string, version: Version): Step => ({ act: "verified", slot, version });

const active = (slot: string, version: Version, displaced: Version): Step => ({
  act: "active",
  slot,
  version,
  displaced,
});

const healthy = (component: string, atLeast: "good" | "as-before"): Step => ({
  act: "healthy",
  component,
  atLeast,
});

function cleanupOf({ releases, stores, superseded }: Whole): Step[] {
  return [
    ...releases.flatMap(({ slot, to, previous, from, leavesBad, keeps = [] }): Step[] => [
      { act: "promoted", slot, version: to, previous, left: leavesBad ? from : undefined },
      { act: "thinned", slot, keeps },
    ]),
    ...stores
      .filter(({ isCopy }) => isCopy)
      .map(({ slot, displaced }): Step => ({ act: "discarded", slot, version: displaced })),
    ...superseded.map(({ slot, version }): Step => ({ act: "discarded", slot, version })),
  ];
}

function waysBack(steps: readonly Step[], change: Whole): Way[] {
  const { releases } = change;
  const firstSwitch = steps.findIndex(({ act }) => act === "active");
  const isFirstDeploy = releases.some(({ from }) => from === undefined);
  const goesNowhere = releases.some(({ from, fromIsSound }) => from !== undefined && !fromIsSound);
  const back = wayBack(steps, change, "previous");
  // Where nothing was live before, or it is damaged, a failure after the switch has no way there.
  const previous: Way = isFirstDeploy || goesNowhere ? { ...back, unlessBegun: firstSwitch } : back;
  const hasFactory = releases.some(
    ({ factory, to, from, fromIsSound }) =>
      factory !== undefined && factory !== to && !(factory === from && fromIsSound),
  );
  if (!hasFactory) return [previous];
  const factory = wayBack(steps, change, "factory");
  // An application that does not start again before anything was switched does not start there.
  return [previous, { ...factory, ifBegun: firstSwitch }];
}

/** A factory release that was made for what is live now is what the others go back to. */
function wayBack(
  steps: readonly Step[],
  { stores, releases, saved, components }: Whole,
  depth: Way["depth"],
): Way {
  const numberOf = (act: Step["act"], name: string): number =>
    steps.findIndex((step) => step.act === act && nameOf(step) === name);
  /** From this step on the release may have changed data. */
  const firstChange = (component: string): number =>
    [numberOf("migrated", component), numberOf("running", component)].find((at) => at >= 0)!;
  // A machine that was lost may have started everything again since.
  const firstTouch = steps.findIndex(({ act }) => act === "migrated" || act === "active");
  const ifTouched: Condition = { ifBegun: firstTouch };
  const ifSwitched: Condition = { ifBegun: steps.findIndex(({ act }) => act === "active") };
  const landing = ({ from, factory }: ReleaseSwitch): Version | undefined =>
    depth === "factory" ? factory : from;
  const landings = releases.flatMap((release) => {
    const version = landing(release);
    return version === undefined ? [] : [{ ...release, version }];
  });
  return {
    depth,
    steps: [
      ...releases.map(({ slot, component, to }): Step => ({
        act: "condemned",
        slot,
        version: to,
        ifBegun: numberOf("running", component),
      })),
      ...landings
        .filter(({ isUnverified }) => isUnverified !== true)
        .map(({ slot, version }): Step => ({ ...verified(slot, version), ...ifSwitched })),
      ...components.map((component): Step => ({ act: "stopped", component, ...ifTouched })),
      ...switchesBack(landings, depth, { stores, saved }, numberOf, firstChange),
      ...(depth === "factory" ? landings.flatMap(filesOfFactory) : []),
      ...components.toReversed().map((component): Step => ({
        act: "running",
        component,
        ifBegun: numberOf("stopped", component),
      })),
      ...components.toReversed().map((component): Step => ({
        ...healthy(component, "as-before"),
        ...ifSwitched,
      })),
      ...leftovers({ stores, releases, saved }, numberOf, firstChange),
    ],
  };
}

/** What lies outside of the releases is what was there before by now. */
function filesOfFactory({
  version,
  factoryFiles = [],
}: ReleaseSwitch & { version: Version }): Step[] {
  return factoryFiles.flatMap(({ slot, displaced }): Step[] => [
    { act: "staged", slot, version },
    active(slot, version, displaced),
  ]);
}

/** The releases first, then the data that they can read. */
function switchesBack(
  landings: readonly (ReleaseSwitch & { readonly version: Version })[],
  depth: Way["depth"],
  { stores, saved }: Pick<Whole, "stores" | "saved">,
  numberOf: (act: Step["act"], name: string) => number,
  firstChange: (component: string) => number,
): Step[] {
  return [
    ...landings.map(({ slot, version, to }): Step => ({
      ...active(slot, version, to),
      // What was live is not healthy, whether or not it was left: only data may have been switched yet.
      ...(depth === "factory" ? {} : { ifBegun: numberOf("active", slot) }),
    })),
    ...stores.toReversed().map(({ slot, displaced, rejected }): Step => ({
      ...active(slot, displaced, rejected),
      ifBegun: numberOf("active", slot),
    })),
    ...saved.toReversed().map(({ slot, component, displaced, rejected }): Step => ({
      act: "readable",
      slot,
      version: displaced,
      displaced: rejected,
      ifBegun: firstChange(component),
    })),
  ];
}

/** What is superfluous once it has gone back; what an application wrote is in no other copy. */
function leftovers(
  { stores, releases, saved }: Pick<Whole, "stores" | "releases" | "saved">,
  numberOf: (act: Step["act"], name: string) => number,
  firstChange: (component: string) => number,
): Step[] {
  const discarded = (slot: string, version: Version, condition: Condition): Step => ({
    act: "discarded",
    slot,
    version,
    ...condition,
  });
  return [
    ...releases.flatMap(({ slot, to, evidence }): Step[] =>
      evidence === undefined
        ? []
        : [
            { act: "rejected", slot, version: to, evidence, ifBegun: numberOf("active", slot) },
            discarded(slot, to, {
              ifBegun: numberOf("staged", slot),
              unlessBegun: numberOf("active", slot),
            }),
          ],
    ),
    ...stores
      .filter(({ ready }) => !ready)
      .map(({ slot, to, copyOf }): Step =>
        discarded(slot, to, {
          ifBegun: numberOf(copyOf === undefined ? "staged" : "copied", slot),
        }),
      ),
    ...stores
      .filter(({ rejected, to }) => rejected !== to)
      .map(({ slot, component, rejected, isOfRelease }): Step =>
        discarded(slot, rejected, {
          ifBegun: numberOf("active", slot),
          ...(isOfRelease === true ? {} : { unlessBegun: numberOf("running", component) }),
        }),
      ),
    // Once a release ran on the data nobody knows what it did to them: the copy stays, for undo.
    ...saved.map(({ slot, component, displaced }): Step =>
      discarded(slot, displaced, {
        ifBegun: numberOf("saved", slot),
        unlessBegun: firstChange(component),
      }),
    ),
  ];
}

function nameOf(step: Step): string {
  return "slot" in step ? step.slot : step.component;
}
