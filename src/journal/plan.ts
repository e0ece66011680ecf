import type { Version } from "../slots/slot.ts";

/**
 * What shall be true, of which slot or component. Plain data: it is shown before, written to the
 * journal, and read back after a crash.
 */
export type Act =
  /**
   * `saved`: a copy of what is live lies ready. `migrated`: the release has changed the data.
   * `condemned`: the release counts as bad.
   */
  | {
      readonly act: "staged" | "verified" | "saved" | "migrated" | "condemned" | "discarded";
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
  /** A copy of another version lies ready. */
  | {
      readonly act: "copied";
      readonly slot: string;
      readonly version: Version;
      readonly from: Version;
    }
  /** A version that failed lies out of the way, as evidence, and its name is free. */
  | {
      readonly act: "rejected";
      readonly slot: string;
      readonly version: Version;
      readonly evidence: Version;
    }
  /**
   * What is live can be read by what ran before; where it cannot, the saved copy is live instead and
   * what was live lies ready as `displaced`.
   */
  | {
      readonly act: "readable";
      readonly slot: string;
      readonly version: Version;
      readonly displaced: Version;
    }
  /** The version is the good one from now on, and this is what `previous` means. */
  | {
      readonly act: "promoted";
      readonly slot: string;
      readonly version: Version;
      readonly previous: Version | undefined;
      /** The version that was left, if it was left because it is bad. */
      readonly left: Version | undefined;
    }
  /** No more versions are kept than shall be. */
  | {
      readonly act: "thinned";
      readonly slot: string;
      /** Versions that something lies aside for. */
      readonly keeps?: readonly Version[];
    }
  /**
   * `steady`: still well since it was healthy. `proven`: seen to be no worse than before for as long
   * as the configuration says.
   */
  | { readonly act: "stopped" | "running" | "steady" | "proven"; readonly component: string }
  /**
   * `released`: nothing of what a copy of the slot needed is held any more. `rebuilt`: it was made anew
   * from what it is derived from.
   */
  | { readonly act: "released" | "rebuilt"; readonly slot: string }
  | {
      readonly act: "healthy";
      readonly component: string;
      /** After going back, what was bad before anything was touched may be bad again. */
      readonly atLeast: "good" | "as-before";
      /** Something it looks at is still to be rebuilt: checks that look at everything come later. */
      readonly isQuick?: true;
    };

export type Condition = {
  /** In a way back: only if this step of the way forward (its number) was begun. */
  readonly ifBegun?: number;
  /** In a way back: not if this one was. */
  readonly unlessBegun?: number;
};

export type Step = Act & Condition;

/** A way back, and how far back it leads. */
export type Way = Condition & {
  readonly depth: "previous" | "factory";
  readonly steps: readonly Step[];
};

/** The way forward, and the ways back in the order in which they are tried. All fixed beforehand. */
export type Plan = {
  readonly steps: readonly Step[];
  readonly ways: readonly Way[];
  /** What is done once the operation is committed. A failure there takes nothing back. */
  readonly cleanup?: readonly Step[];
};

/** One line for people: "active db 20261121T030000Z". */
export function describeStep(step: Step): string {
  const name = "slot" in step ? step.slot : step.component;
  return "version" in step ? `${step.act} ${name} ${step.version}` : `${step.act} ${name}`;
}
