import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { suite } from "node:test";
import { systemClock } from "../src/base/clock.ts";
import { type Evidence, writeEvidence } from "../src/operations/drill/evidence.ts";
import { home } from "../src/operations/home.ts";
import { put, testIn } from "./support/files.ts";
import { newSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: the sentence that people come for is true whatever there is; the worst wins.

const NOW = new Date("2026-11-22T12:00:00");
const HOUR = 3_600_000;

type Given = {
  /** By component, hours since its newest valid point. */
  readonly points: Partial<Record<"app" | "web", number>>;
  /** Newest first, hours ago. */
  readonly drills?: readonly (readonly [hours: number, verdict: Evidence["verdict"]])[];
  readonly says: RegExp;
};

const CASES: Record<string, Given> = {
  "no point": {
    points: {},
    says: /^You cannot bring test back: there is no valid recovery point\.$/,
  },
  "one component has none": {
    points: { app: 1 },
    says: /^You cannot bring all of test back: web has no valid recovery point\.$/,
  },
  "the oldest wins": {
    points: { app: 0, web: 30 },
    says: /^You can bring test back to 06:00 yesterday \(30 h lost\); how long .* never tried/,
  },
  proven: {
    points: { app: 3, web: 3 },
    drills: [[50, "proven"]],
    says: /back to 09:00 today \(3 h lost\) in about 4 min; last proven 2 days ago\.$/,
  },
  "the last drill failed": {
    points: { app: 3, web: 3 },
    drills: [
      [2, "failed"],
      [50, "proven"],
    ],
    says: /last proven 2 days ago, but the last drill failed\.$/,
  },
  "every drill failed": {
    points: { app: 3, web: 3 },
    drills: [
      [2, "failed"],
      [3, "failed"],
    ],
    says: /\(3 h lost\); the last 2 drills failed, and none was good\.$/,
  },
  "the data only": {
    points: { app: 3, web: 3 },
    drills: [[5, "data-proven"]],
    says: /its data last proven 5 h ago\.$/,
  },
  "a clock is wrong": {
    points: { app: -5, web: -5 },
    says: /which is to come: a clock is wrong\.$/,
  },
};

suite("home", () => {
  for (const [name, { points, drills = [], says }] of Object.entries(CASES)) {
    testIn(name, async (folder) => {
      put(folder, { "files/a": "a", "web/a": "a" });
      const clock = { ...systemClock, now: () => NOW };
      const components = {
        app: { stores: { files: { folder: "files" } } },
        web: { stores: { files: { folder: "web" } } },
      };
      using system = await newSystem(folder, {}, { components }, clock);
      const at = (hours: number): string => new Date(NOW.getTime() - hours * HOUR).toISOString();
      const listed = Object.entries(points).map(([component, hours]) => ({
        stamp: component,
        time: at(hours),
        valid: true,
        stores: [`${component}/files`],
      }));
      const catalogue = {
        at: at(0),
        repository: system.config.repository.at,
        points: listed.toSorted((a, b) => (a.time < b.time ? -1 : 1)),
      };
      writeFileSync(system.paths.catalogue, JSON.stringify(catalogue));
      for (const [hours, verdict] of drills) {
        await writeEvidence(system, {
          format: 1,
          id: at(hours),
          system: "test",
          reason: "",
          started: at(hours),
          ended: at(hours),
          point: "x",
          releases: {},
          verdict,
          reasons: [],
          notes: [],
          recovery: { ms: verdict === "proven" ? 240_000 : undefined, objectiveMs: undefined },
          dataLoss: { ms: 0, objectiveMs: undefined },
          stores: [],
          checks: [],
          lastWords: [],
        });
      }
      assert.match((await home(system, quietRun())).sentence, says);
    });
  }
});
