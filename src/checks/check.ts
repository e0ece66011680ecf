import type { Run } from "../base/events.ts";

/** Three values: what could not be found out is not good. */
export type Verdict = "good" | "bad" | "unknown";

export type CheckResult = { readonly verdict: Verdict; readonly detail: string };

/** A question about health. Never throws but for cancellation: what fails is an answer. */
export type Check = { readonly ask: (run: Run) => Promise<CheckResult> };
