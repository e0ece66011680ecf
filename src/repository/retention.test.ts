import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { applyPolicy, type KeepPolicy } from "./retention.ts";

const CASES: readonly {
  readonly name: string;
  readonly policy: KeepPolicy;
  readonly times: readonly string[];
  readonly kept: Readonly<Record<string, readonly string[]>>;
}[] = [
  {
    name: "the newest of a day is kept, and the oldest of all while a count is left",
    policy: { daily: 7 },
    times: ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "2026-01-02T01:00:00Z"],
    kept: {
      "2026-01-02T01:00:00Z": ["daily snapshot"],
      "2026-01-01T02:00:00Z": ["daily snapshot"],
      "2026-01-01T01:00:00Z": ["oldest daily snapshot"],
    },
  },
  {
    name: "a used up count keeps nothing more, not even the oldest",
    policy: { daily: 1 },
    times: ["2026-01-01T01:00:00Z", "2026-01-02T01:00:00Z"],
    kept: { "2026-01-02T01:00:00Z": ["daily snapshot"] },
  },
  {
    name: "ISO weeks: the first of January may belong to the last year",
    policy: { weekly: 2 },
    times: ["2024-12-30T00:00:00Z", "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z"],
    kept: {
      "2025-01-06T00:00:00Z": ["weekly snapshot"],
      "2025-01-01T00:00:00Z": ["weekly snapshot"],
    },
  },
  {
    name: "a day is that of the snapshot's own clock",
    policy: { daily: 2 },
    times: ["2026-05-01T23:30:00-02:00", "2026-05-02T00:10:00+02:00", "2026-05-02T12:00:00Z"],
    kept: {
      "2026-05-02T12:00:00Z": ["daily snapshot"],
      "2026-05-01T23:30:00-02:00": ["daily snapshot"],
    },
  },
  { name: "no policy keeps nothing", policy: {}, times: ["2026-01-01T00:00:00Z"], kept: {} },
];

suite("retention", () => {
  for (const { name, policy, times, kept } of CASES) {
    test(name, () => {
      const judged = applyPolicy(
        times.map((time) => ({ time })),
        policy,
      );
      const found = judged
        .filter(({ reasons }) => reasons.length > 0)
        .map(({ item, reasons }) => [item.time, reasons]);
      assert.deepEqual(Object.fromEntries(found), kept);
    });
  }
});
