import type { Version } from "../slots/slot.ts";
import type { Condition, Step, Way } from "./plan.ts";
import type { ReleaseSwitch, WholeChange } from "./plan-change.ts";
import { active, healthy, verified } from "./steps.ts";

/** To what was live, and to the factory release; each undoes just what was begun. */
export function waysBack(steps: readonly Step[], change: WholeChange): Way[] {
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
  { stores, releases, saved, components, down }: WholeChange,
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
  const startedAgain = components.toReversed().filter((name) => !down.includes(name));
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
      ...startedAgain.map((component): Step => ({
        act: "running",
        component,
        ifBegun: numberOf("stopped", component),
      })),
      ...startedAgain.map((component): Step => ({
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
  { stores, saved }: Pick<WholeChange, "stores" | "saved">,
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
  { stores, releases, saved }: Pick<WholeChange, "stores" | "releases" | "saved">,
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
