import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { type Clock, systemClock } from "../src/base/clock.ts";
import { AppError } from "../src/base/errors.ts";
import { lockComponents } from "../src/operations/operation-lock.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import { jobsOf } from "../src/operations/schedule/jobs.ts";
import { doWhatIsDue } from "../src/operations/schedule/schedule.ts";
import { status } from "../src/operations/status.ts";
import type { System } from "../src/operations/system.ts";
import { put, testIn } from "./support/files.ts";
import { newSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what is scheduled is done when its time has come, once, whatever happened meanwhile; and what was
// not is said.

const run = quietRun();
const DAILY = "0 3 * * *";

/** A clock that stands where it is put, in local time. */
function settable(): Clock & { set(text: string): void } {
  let now = new Date("2026-11-20T12:00:00");
  return { ...systemClock, now: () => now, set: (text) => void (now = new Date(text)) };
}

async function newScheduled(folder: string, clock: Clock, schedule: object): Promise<System> {
  put(folder, { "files/a": "a" });
  return await newSystem(folder, { stores: { files: { folder: "files" } } }, { schedule }, clock);
}

const points = async (system: System): Promise<number> => (await listPoints(system, run)).length;

suite("schedule", () => {
  testIn(
    "a backup is taken when its time has come; what was missed is caught up, once",
    async (folder) => {
      const clock = settable();
      using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
      await doWhatIsDue(system, run);
      assert.equal(await points(system), 0, "nothing was due yet");
      clock.set("2026-11-21T03:00:05");
      await doWhatIsDue(system, run);
      await doWhatIsDue(system, run);
      assert.equal(await points(system), 1);
      // The machine was off for a week.
      clock.set("2026-11-28T09:00:00");
      await doWhatIsDue(system, run);
      await doWhatIsDue(system, run);
      assert.equal(await points(system), 2);
      const { schedule } = await status(system, run);
      assert.equal(schedule[0]?.next, new Date("2026-11-29T03:00:00").toISOString());
      assert.equal(schedule[0]?.overdue, undefined);
      assert.equal(system.journal.history(1)[0]?.reason, "scheduled");
    },
  );

  testIn(
    "each backup of the list has its own time and its own stores; then forget and prune",
    async (folder) => {
      const clock = settable();
      put(folder, { "index/a": "a" });
      const stores = {
        files: { folder: "files" },
        index: { folder: "index", include: "on-request" },
      };
      put(folder, { "files/a": "a" });
      const schedule = {
        backup: [{ cron: DAILY }, { cron: "0 2 * * 0", include: ["index"] }],
        prune: "0 4 * * *",
      };
      using system = await newSystem(folder, { stores }, { schedule, keep: { last: 1 } }, clock);
      await doWhatIsDue(system, run);
      // A Sunday.
      clock.set("2026-11-22T03:30:00");
      await doWhatIsDue(system, run);
      const stored = (await listPoints(system, run)).map(({ stores: names }) => names.join());
      assert.deepEqual(stored.toSorted(), ["app/files", "app/files,app/index"]);
      clock.set("2026-11-23T04:30:00");
      await doWhatIsDue(system, run);
      // Of each set of stores one stays.
      assert.equal(await points(system), 2);
      assert.equal(system.journal.history(1)[0]?.kind, "prune");
    },
  );

  testIn(
    "while somebody else works it waits; what fails is told and tried again",
    async (folder) => {
      const clock = settable();
      using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
      await doWhatIsDue(system, run);
      clock.set("2026-11-21T03:00:05");
      {
        using _held = lockComponents(system.paths.locks, ["app"]);
        await doWhatIsDue(system, run);
        assert.equal(await points(system), 0);
      }
      const told: string[] = [];
      const report: typeof run.report = (event) => {
        if (event.type === "warning") told.push(event.message);
      };
      fs.renameSync(path.join(folder, "files"), path.join(folder, "away"));
      await doWhatIsDue(system, { ...run, report });
      assert.match(
        told.join(),
        /backup at 0 3 \* \* \*: back up: point \w+ is invalid: files_missing/,
      );
      assert.match((await status(system, run)).schedule[0]?.error ?? "", /files_missing/);
      fs.renameSync(path.join(folder, "away"), path.join(folder, "files"));
      clock.set("2026-11-21T03:10:00");
      await doWhatIsDue(system, run);
      assert.equal(await points(system), 1, "a while has to go by");
      clock.set("2026-11-21T03:16:00");
      await doWhatIsDue(system, run);
      assert.equal(await points(system), 2);
      const [job] = (await status(system, run)).schedule;
      assert.equal(job?.error, undefined);
    },
  );

  testIn("overdue is said, also when nobody serves", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    await doWhatIsDue(system, run);
    clock.set("2026-11-22T12:00:00");
    const { ok, sentence } = await status(system, run);
    assert.equal(ok, false);
    assert.match(
      sentence,
      /^backup at 0 3 \* \* \* is overdue since .*: does lastgood serve run\?/,
    );
  });

  testIn("a clock that was ahead, and a ledger that is broken, stop nothing", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    clock.set("2099-01-01T03:30:00");
    await doWhatIsDue(system, run);
    clock.set("2026-11-20T12:00:00");
    await doWhatIsDue(system, run);
    clock.set("2026-11-21T03:00:05");
    await doWhatIsDue(system, run);
    assert.equal(await points(system), 1);
    fs.writeFileSync(path.join(system.paths.state, "schedule.json"), '{"backup at');
    await doWhatIsDue(system, run);
    clock.set("2026-11-22T03:00:05");
    await doWhatIsDue(system, run);
    assert.equal(await points(system), 2);
  });

  testIn("one job that fails stops no other", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }], prune: DAILY });
    const [first, second] = jobsOf(system.config);
    const done: string[] = [];
    const jobs = [
      { ...first!, work: () => Promise.reject(new AppError("NO_SPACE", "the disk is full")) },
      { ...second!, work: async () => void done.push("prune") },
    ];
    await doWhatIsDue(system, run, jobs);
    clock.set("2026-11-21T03:00:05");
    await doWhatIsDue(system, run, jobs);
    assert.deepEqual(done, ["prune"]);
    assert.match((await status(system, run)).schedule[0]?.error ?? "", /the disk is full/);
  });
});
