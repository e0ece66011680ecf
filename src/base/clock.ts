/** The only place that reads the time, so that a test can set it. */
export type Clock = { readonly now: () => Date };

export const systemClock: Clock = { now: () => new Date() };

/** Milliseconds from an unknown origin that never go backwards: for measuring, not for dates. */
export function monotonicMs(): number {
  return performance.now();
}
