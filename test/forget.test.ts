import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { judgePoints } from "../src/operations/forget.ts";
import type { Point } from "../src/operations/points/point.ts";

function point(stamp: string, rest: Partial<Point> = {}): Point {
  const date = stamp.replace(/^(....)(..)(..)$/, "$1-$2-$3");
  const snapshot = { id: stamp, time: `${date}T03:00:00Z`, tree: "", paths: [] };
  const facts = {
    valid: true,
    errors: [],
    pinned: false,
    drill: undefined,
    isSafety: false,
    aside: undefined,
    stores: ["app/db"],
    releases: {},
  };
  return { stamp, snapshot, system: "test", ...facts, ...rest };
}

function kept(
  points: readonly Point[],
  policy: Parameters<typeof judgePoints>[1],
  now = new Date("2026-01-11T00:00:00Z"),
): object {
  const judged = judgePoints(points, policy, now).filter(({ reasons }) => reasons.length > 0);
  return Object.fromEntries(judged.map(({ stamp, reasons }) => [stamp, reasons]));
}

suite("forget", () => {
  test("each set of stores has its own policy", () => {
    const weekly = { stores: ["app/db", "app/chroma"] };
    const points = [
      point("20260104", weekly),
      point("20260108"),
      point("20260109"),
      point("20260110"),
    ];
    assert.deepEqual(kept(points, { daily: 2 }), {
      "20260104": ["daily snapshot"],
      "20260109": ["daily snapshot"],
      "20260110": ["daily snapshot"],
    });
  });

  test("pinned and safety points stay and use up nothing", () => {
    const points = [
      point("20260108"),
      point("20260109", { pinned: true }),
      point("20260110", { isSafety: true }),
    ];
    assert.deepEqual(kept(points, { daily: 1 }), {
      "20260108": ["daily snapshot"],
      "20260109": ["pinned"],
      "20260110": ["safety point"],
    });
  });

  test("an invalid point stays as long as none newer is valid, and uses up nothing", () => {
    const invalid = { valid: false };
    const points = [point("20260107", invalid), point("20260108"), point("20260109", invalid)];
    assert.deepEqual(kept(points, { daily: 1 }), {
      "20260108": ["daily snapshot"],
      "20260109": ["evidence: none newer is valid"],
    });
  });

  test("a clock that was ahead once costs no point", () => {
    const points = [
      point("20260107"),
      point("20260108"),
      { ...point("20270101"), stamp: "one" },
      { ...point("20270102"), stamp: "two" },
    ];
    const ahead = { one: ["ahead of the clock"], two: ["ahead of the clock"] };
    assert.deepEqual(kept(points, { daily: 1 }), { "20260108": ["daily snapshot"], ...ahead });
    // Once the clock has come there they are points like others.
    const later = new Date("2027-01-03T00:00:00Z");
    assert.deepEqual(kept(points, { daily: 1 }, later), { two: ["daily snapshot"] });
  });
});
