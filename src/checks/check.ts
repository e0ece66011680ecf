import type { Run } from "../base/events.ts";

/** Three values: what could not be found out is not good. */
export type Verdict = "good" | "bad" | "unknown";

export type CheckResult = { readonly verdict: Verdict; readonly detail: string };

/** A question about health. Never throws but for cancellation: what fails is an answer. */
export type Check = {
  readonly ask: (run: Run) => Promise<CheckResult>;
  /** Remembers how things are before something is started, for a check of what is new since. */
  readonly begin?: (run: Run) => Promise<void>;
  /** Whether it takes a while: it is asked once, when all others are good. */
  readonly isThorough?: true;
};

export const GOOD: CheckResult = { verdict: "good", detail: "" };

export function bad(detail: string): CheckResult {
  return { verdict: "bad", detail };
}

export function unknown(detail: string): CheckResult {
  return { verdict: "unknown", detail };
}
