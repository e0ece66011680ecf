import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite, test } from "node:test";
import type { Run } from "../src/base/events.ts";
import { assertRestorable, harm, newPlace, packOf } from "./support/damage.ts";
import { backUp } from "./support/repository.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what a repository has lost it gets back, where it can still be had.

const run = quietRun();

suite("what was lost comes back", { concurrency: 4 }, () => {
  test("with its index lost a repository says how to have it again, and nothing of prune", async () => {
    await using place = await newPlace();
    fs.rmSync(place.at("repo/index"), { recursive: true });
    const { errors, hints } = await place.repository.check({ readData: "none" }, run);
    assert.match(errors.join(), /is missing/);
    assert.match(hints.join(), /^2 packs are in no index and may have what is missing: restic/);
    await place.repository.repairIndex(run);
    assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
  });

  for (const type of ["data", "tree"] as const) {
    for (const [how, damage] of [
      ["is missing", (pack: string) => fs.rmSync(pack)],
      ["is cut off", (pack: string) => harm(pack, (bytes) => bytes.subarray(0, -40))],
    ] as const) {
      test(`a pack of ${type} that ${how}: the next backup stores it again, and all is whole`, async () => {
        await using place = await newPlace();
        damage(packOf(type, place));
        const told: string[] = [];
        const report: Run["report"] = (event) =>
          void (event.type === "warning" && told.push(event.message));
        const inner = { ...run, report };
        const next = await backUp(place.repository, place.at("src"), inner, place.snapshot);
        assert.match(told.join(), /1 pack that its index names is missing or cut off/);
        await assertRestorable(place, next.snapshot);
        // The one before had the same in it.
        await assertRestorable(place, place.snapshot);
        await place.repository.prune("do", run);
        assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
      });
    }
  }
});
