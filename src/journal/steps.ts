import type { Version } from "../slots/slot.ts";
import type { Step } from "./plan.ts";

// Steps that ways in both directions have.

/** Still well since it was healthy. */
export const steady = (component: string): Step => ({ act: "steady", component });

/** The version can be trusted. */
export const verified = (slot: string, version: Version): Step => ({
  act: "verified",
  slot,
  version,
});

/** The version is live, and what was live lies ready as `displaced`. */
export const active = (slot: string, version: Version, displaced: Version): Step => ({
  act: "active",
  slot,
  version,
  displaced,
});

/** Good for as long as the configuration says. */
export const healthy = (component: string, atLeast: "good" | "as-before"): Step => ({
  act: "healthy",
  component,
  atLeast,
});
