import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { type Clock, systemClock } from "../src/base/clock.ts";
import type { Run } from "../src/base/events.ts";
import { backup } from "../src/operations/backup.ts";
import { listEvidence } from "../src/operations/drill/evidence.ts";
import { lockComponents } from "../src/operations/operation-lock.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import { type Job, jobsOf } from "../src/operations/schedule/jobs.ts";
import { doWhatIsDue } from "../src/operations/schedule/schedule.ts";
import { status } from "../src/operations/status.ts";
import { verify } from "../src/operations/verify.ts";
import { version } from "../src/slots/slot.ts";
import type { System } from "../src/operations/system.ts";
import { commandsIn } from "./support/commands.ts";
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

/** Does what is due; drills only where they are asked for. */
async function work(
  system: System,
  inner: Run = run,
  jobs: readonly Job[] = jobsOf(system.config).filter(({ kind }) => kind !== "drill"),
): Promise<void> {
  const commands = commandsIn(path.dirname(system.loaded.file), system.host.clock);
  await doWhatIsDue(system, commands, inner, jobs);
}

const take = async (system: System): Promise<unknown> =>
  await backup(system, { include: [], reason: "" }, run);

const points = async (system: System): Promise<number> => (await listPoints(system, run)).length;

suite("schedule", () => {
  testIn(
    "a backup is taken when its time has come; what was missed is caught up, once",
    async (folder) => {
      const clock = settable();
      using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
      await work(system);
      assert.equal(await points(system), 0, "nothing was due yet");
      clock.set("2026-11-21T03:00:05");
      await work(system);
      await work(system);
      assert.equal(await points(system), 1);
      // The machine was off for a week.
      clock.set("2026-11-28T09:00:00");
      await work(system);
      await work(system);
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
      await work(system);
      // A Sunday.
      clock.set("2026-11-22T03:30:00");
      await work(system);
      const stored = (await listPoints(system, run)).map(({ stores: names }) => names.join());
      assert.deepEqual(stored.toSorted(), ["app/files", "app/files,app/index"]);
      clock.set("2026-11-23T04:30:00");
      await work(system);
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
      await work(system);
      clock.set("2026-11-21T03:00:05");
      {
        using _held = lockComponents(system.paths.locks, ["app"]);
        await work(system);
        assert.equal(await points(system), 0);
      }
      const told: string[] = [];
      const report: typeof run.report = (event) => {
        if (event.type === "warning") told.push(event.message);
      };
      fs.renameSync(path.join(folder, "files"), path.join(folder, "away"));
      await work(system, { ...run, report });
      assert.match(told.join(), /^backup at 0 3 \* \* \*: .*files_missing/);
      assert.match((await status(system, run)).schedule[0]?.error ?? "", /files_missing/);
      fs.renameSync(path.join(folder, "away"), path.join(folder, "files"));
      clock.set("2026-11-21T03:10:00");
      await work(system);
      assert.equal(await points(system), 1, "a while has to go by");
      clock.set("2026-11-21T03:16:00");
      await work(system);
      assert.equal(await points(system), 2);
      const [job] = (await status(system, run)).schedule;
      assert.equal(job?.error, undefined);
    },
  );

  testIn("what fails is tried three times more, each night anew", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    await work(system);
    fs.renameSync(path.join(folder, "files"), path.join(folder, "away"));
    for (const [night, tries] of [
      ["2026-11-21", 4],
      ["2026-11-22", 8],
    ] as const) {
      for (let quarter = 0; quarter < 12; quarter++) {
        const minutes = String((quarter % 4) * 15 + 1).padStart(2, "0");
        clock.set(`${night}T0${3 + Math.floor(quarter / 4)}:${minutes}:00`);
        await work(system);
      }
      assert.equal(await points(system), tries);
    }
  });

  testIn("overdue is said, also when nobody serves", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    await work(system);
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
    await work(system);
    clock.set("2026-11-20T12:00:00");
    await work(system);
    clock.set("2026-11-21T03:00:05");
    await work(system);
    assert.equal(await points(system), 1);
    fs.writeFileSync(path.join(system.paths.state, "schedule.json"), '{"backup at');
    await work(system);
    clock.set("2026-11-22T03:00:05");
    await work(system);
    assert.equal(await points(system), 2);
  });

  testIn("one job that fails stops no other", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }], prune: DAILY });
    const [first, second] = jobsOf(system.config);
    const jobs: Job[] = [{ ...first!, commands: [["backup", "--include", "none"]] }, second!];
    await take(system);
    await work(system, run, jobs);
    clock.set("2026-11-21T03:00:05");
    await work(system, run, jobs);
    assert.equal(system.journal.history(1)[0]?.kind, "prune");
    assert.match((await status(system, run)).schedule[0]?.error ?? "", /there is none/);
  });

  testIn("whoever is kept from beginning for long says so, once", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    await work(system);
    using _held = lockComponents(system.paths.locks, ["app"]);
    for (const time of ["03:00:05", "03:10:00", "03:16:00", "03:30:00", "05:00:00"]) {
      clock.set(`2026-11-21T${time}`);
      await work(system);
    }
    const told = system.journal.history(10).map(({ kind, error }) => `${kind}: ${error}`);
    assert.equal(told.length, 1);
    assert.match(told[0]!, /^backup: it could not begin: lock app: another operation is under way/);
  });

  testIn("a command that never came so far is in the history too", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    await work(system);
    clock.set("2026-11-21T03:00:05");
    fs.appendFileSync(path.join(folder, "lastgood.yaml"), "colour: red\n");
    await work(system);
    assert.match(system.journal.history(1)[0]?.error ?? "", /could not begin: .*colour/);
  });

  testIn("a drill comes a day after the first look, and after a migration", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { backup: [{ cron: DAILY }] });
    const drills = jobsOf(system.config).filter(({ kind }) => kind === "drill");
    await take(system);
    await work(system, run, drills);
    clock.set("2026-11-21T11:00:00");
    await work(system, run, drills);
    assert.equal((await listEvidence(system, 9)).length, 0);
    clock.set("2026-11-21T12:30:00");
    await work(system, run, drills);
    await work(system, run, drills);
    assert.equal((await listEvidence(system, 9)).length, 1);
    clock.set("2026-11-25T12:30:00");
    await work(system, run, drills);
    assert.equal((await listEvidence(system, 9)).length, 1);
    system.journal.record({
      id: "x",
      kind: "deploy",
      setup: { components: {} },
      who: "",
      reason: "",
      plan: { steps: [{ act: "migrated", slot: "app", version: version("2.0.0") }], ways: [] },
      started: clock.now().toISOString(),
      outcome: "committed",
      error: undefined,
      ended: clock.now().toISOString(),
    });
    clock.set("2026-11-25T12:31:00");
    await work(system, run, drills);
    await work(system, run, drills);
    assert.equal((await listEvidence(system, 9)).length, 2);
  });

  testIn("the repository is read part by part, until all of it was read", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, { verify: { cron: DAILY, parts: 2 } });
    const next = async (): Promise<number> =>
      (await verify(system, { readData: { nextOf: 2 } }, "", run)).bytesRead;
    for (const name of ["a", "b", "c", "d"]) {
      put(folder, { [`files/${name}`]: crypto.randomUUID() });
      await take(system);
    }
    const all = (await verify(system, { readData: "all" }, "", run)).bytesRead;
    fs.rmSync(path.join(system.paths.state, "verified.db"));
    const [first, second] = [await next(), await next()];
    assert(first < all && second < all && first + second >= all, `${first} ${second} ${all}`);
    await work(system);
    clock.set("2026-11-21T03:00:05");
    await work(system);
    assert.equal(system.journal.history(1)[0]?.kind, "check");
  });

  testIn("what a clock that was ahead has read is read again", async (folder) => {
    const clock = settable();
    using system = await newScheduled(folder, clock, {});
    for (const name of ["a", "b", "c", "d"]) {
      put(folder, { [`files/${name}`]: crypto.randomUUID() });
      await take(system);
    }
    clock.set("2031-01-01T00:00:00");
    await verify(system, { readData: "all" }, "", run);
    clock.set("2026-11-21T12:00:00");
    for (let part = 0; part < 2; part++) await verify(system, { readData: { nextOf: 2 } }, "", run);
    using ledger = new DatabaseSync(path.join(system.paths.state, "verified.db"));
    const ahead = ledger.prepare("SELECT pack FROM packs_v1 WHERE read_at > '2030'").all();
    assert.deepEqual(ahead, []);
  });
});
