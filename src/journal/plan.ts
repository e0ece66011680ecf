import type { Version } from "../slots/slot.ts";

/**
 * What shall be true, of which slot or component. Plain data: it is shown before, written to the
 * journal, and read back after a crash.
 */
export type Act =
  | {
      readonly act: "staged" | "verified" | "discarded";
      readonly slot: string;
      readonly version: Version;
    }
  | {
      readonly act: "active";
      readonly slot: string;
      readonly version: Version;
      /** The name under which what was live then lies ready. */
      readonly displaced: Version;
    }
  | { readonly act: "stopped" | "running"; readonly component: string }
  /** Nothing of what a copy of the slot needed is held any more. */
  | { readonly act: "released"; readonly slot: string }
  | {
      readonly act: "healthy";
      readonly component: string;
      /** After going back, what was bad before anything was touched may be bad again. */
      readonly atLeast: "good" | "as-before";
    };

export type Step = Act & {
  /** In a way back: only if this step of the way forward (its number) was begun. */
  readonly ifBegun?: number;
  /** In a way back: not if this one was. */
  readonly unlessBegun?: number;
};

/** A way back, and how far back it leads. */
export type Way = {
  readonly depth: "previous" | "factory";
  readonly steps: readonly Step[];
};

/** The way forward, and the ways back in the order in which they are tried. All fixed beforehand. */
export type Plan = { readonly steps: readonly Step[]; readonly ways: readonly Way[] };

/** One slot whose version changes, with the component that must not run meanwhile. */
export type Switch = {
  readonly slot: string;
  readonly component: string;
  readonly to: Version;
  /** The name that what is live now gets. */
  readonly displaced: Version;
  /** The name under which the version lies after going back, with what was written to it since. */
  readonly rejected: Version;
  /** Whether the version to switch to lies ready already, as after an earlier switch. */
  readonly ready: boolean;
};

/**
 * Plans to make other versions live. First all that can fail without harm; then, with everything
 * stopped, the switches. The way back undoes just what was begun.
 */
export function planSwitches(switches: readonly Switch[]): Plan {
  const components = [...new Set(switches.map(({ component }) => component))];
  const staging = switches.filter(({ ready }) => !ready);
  const steps: Step[] = [
    ...staging.map(({ slot, to }): Step => ({ act: "staged", slot, version: to })),
    ...switches.map(({ slot, to }): Step => ({ act: "verified", slot, version: to })),
    ...components.map((component): Step => ({ act: "stopped", component })),
    ...switches.map(({ slot, to, displaced }): Step => ({
      act: "active",
      slot,
      version: to,
      displaced,
    })),
    ...components.toReversed().map((component): Step => ({ act: "running", component })),
    ...components.map((component): Step => ({ act: "healthy", component, atLeast: "good" })),
  ];
  return { steps, ways: [{ depth: "previous", steps: wayBack(steps, switches, components) }] };
}

function wayBack(
  steps: readonly Step[],
  switches: readonly Switch[],
  components: readonly string[],
): Step[] {
  const numberOf = (act: Step["act"], name: string): number =>
    steps.findIndex((step) => step.act === act && nameOf(step) === name);
  const firstSwitch = steps.findIndex(({ act }) => act === "active");
  return [
    ...components.map((component): Step => ({ act: "stopped", component, ifBegun: firstSwitch })),
    ...switches.toReversed().map(({ slot, displaced, rejected }): Step => ({
      act: "active",
      slot,
      version: displaced,
      displaced: rejected,
      ifBegun: numberOf("active", slot),
    })),
    ...components.toReversed().map((component): Step => ({
      act: "running",
      component,
      ifBegun: numberOf("stopped", component),
    })),
    ...components.map((component): Step => ({
      act: "healthy",
      component,
      atLeast: "as-before",
      ifBegun: firstSwitch,
    })),
    ...switches
      .filter(({ ready }) => !ready)
      .map(({ slot, to }): Step => ({
        act: "discarded",
        slot,
        version: to,
        ifBegun: numberOf("staged", slot),
      })),
    // What the application wrote while it ran on it is in no other copy.
    ...switches
      .filter(({ rejected, to }) => rejected !== to)
      .map(({ slot, component, rejected }): Step => ({
        act: "discarded",
        slot,
        version: rejected,
        ifBegun: numberOf("active", slot),
        unlessBegun: numberOf("running", component),
      })),
  ];
}

function nameOf(step: Step): string {
  return "slot" in step ? step.slot : step.component;
}

/** One line for people: "active db 20261121T030000Z". */
export function describeStep(step: Step): string {
  if ("version" in step) return `${step.act} ${step.slot} ${step.version}`;
  return `${step.act} ${nameOf(step)}`;
}
