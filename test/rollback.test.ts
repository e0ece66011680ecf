import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { judgePoints } from "../src/operations/forget.ts";
import { expireSetAside } from "../src/operations/given-up.ts";
import { describePoint, listPoints } from "../src/operations/points/catalogue.ts";
import { findPoint } from "../src/operations/points/point.ts";
import { listReleases } from "../src/operations/releases/candidates.ts";
import { previewRollback, rollback } from "../src/operations/releases/rollback.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { install, links, onDevice } from "./support/device.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: going back brings the data back where the older release could not read them, and only there;
// code and data go back in one operation, and one undo puts both back.
// Method: a real service that migrates its database when it starts, and ends on data that it cannot
// read.

const run = quietRun();
const PLAIN = { to: "previous", data: "as-needed", reason: "", force: false } as const;

const DATABASE = {
  component: {
    stores: { main: { sqlite: "app.db", schema: { prisma: true } } },
    depends: undefined,
  },
};

/** What a release says of its migrations, and what it does with them. */
function migrating(
  known: Readonly<Record<string, string>>,
  kinds: Readonly<Record<string, "additive" | "breaking">>,
): Record<string, string> {
  const reads = { main: Object.keys(known) };
  return {
    "migrations.json": JSON.stringify(known),
    "release.json": JSON.stringify({ migrations: { main: kinds }, reads }),
  };
}

const FIRST = { "1_init": "CREATE TABLE jobs (what TEXT)" };
const ADDED = { ...FIRST, "2_add": "ALTER TABLE jobs ADD COLUMN done INTEGER" };
const BROKEN = { ...ADDED, "3_breaking": "ALTER TABLE jobs RENAME COLUMN what TO title" };
const KINDS = { "1_init": "additive", "2_add": "additive", "3_breaking": "breaking" } as const;

const open = (folder: string): DatabaseSync => new DatabaseSync(path.join(folder, "app.db"));

function insert(folder: string, what: string): void {
  using database = open(folder);
  const column = columns(folder).includes("title") ? "title" : "what";
  database.prepare(`INSERT INTO jobs (${column}) VALUES (?)`).run(what);
}

function columns(folder: string): string[] {
  using database = open(folder);
  return database
    .prepare("SELECT name FROM pragma_table_info('jobs')")
    .all()
    .map((r) => String(r["name"]));
}

function jobs(folder: string): string[] {
  using database = open(folder);
  return database
    .prepare("SELECT * FROM jobs")
    .all()
    .map((row) => String(Object.values(row)[0]));
}

/** 1.0.0 and 1.1.0 are live one after the other; the database is what 1.1.0 made of it. */
async function twoReleases(
  system: System,
  folder: string,
  next: Readonly<Record<string, string>>,
): Promise<void> {
  new DatabaseSync(path.join(folder, "app.db")).close();
  const one = await install(system, folder, "1.0.0", "good", {}, migrating(FIRST, KINDS));
  assert.equal(one.outcome, "committed", one.error);
  insert(folder, "before");
  const two = await install(system, folder, "1.1.0", "good", {}, migrating(next, KINDS));
  assert.equal(two.outcome, "committed", two.error);
  insert(folder, "after");
}

suite("rollback", () => {
  const onData = (name: string, work: Parameters<typeof onDevice>[1]): void =>
    onDevice(name, work, { component: { stores: DATABASE.component.stores } });

  onData("what only adds stays: code goes back alone", async (system, folder) => {
    await twoReleases(system, folder, ADDED);
    const preview = await previewRollback(system, "app", PLAIN, run);
    assert.equal(preview.verdict, "ok");
    assert.equal(preview.data, undefined);
    const { outcome, error, live } = await rollback(system, "app", PLAIN, run);
    assert.equal(outcome, "committed", error);
    assert.equal(live, "1.0.0");
    assert.deepEqual(jobs(folder), ["before", "after"]);
  });

  onData(
    "I9: what breaks brings the data of then back, and one undo takes both back",
    async (system, folder) => {
      await twoReleases(system, folder, BROKEN);
      const preview = await previewRollback(system, "app", PLAIN, run);
      assert.equal(preview.verdict, "restore-required");
      assert.match(preview.stores[0]!.why, /3_breaking/);
      assert.match(preview.loss["app/main"]!.join(), /table jobs: 2 rows now, 1 then/);
      const back = await rollback(system, "app", PLAIN, run);
      assert.equal(back.outcome, "committed", back.error);
      assert.deepEqual([back.live, jobs(folder), columns(folder)], ["1.0.0", ["before"], ["what"]]);
      const undone = await undo(system, back.operation, { reason: "" }, run);
      assert.equal(undone.outcome, "committed", undone.error);
      assert.deepEqual(jobs(folder), ["before", "after"]);
      assert.equal(links(folder)[0], "v1.1.0");
      const again = await undo(system, undone.operation, { reason: "" }, run);
      assert.equal(again.outcome, "committed", again.error);
      assert.deepEqual([links(folder)[0], jobs(folder)], ["v1.0.0", ["before"]]);
    },
  );

  onData("without a copy beside, the data come out of a recovery point", async (system, folder) => {
    new DatabaseSync(path.join(folder, "app.db")).close();
    await install(system, folder, "1.0.0", "good", {}, migrating(FIRST, KINDS));
    insert(folder, "in the point");
    assert.equal((await backup(system, { include: [], reason: "" }, run)).valid, true);
    insert(folder, "later");
    await install(system, folder, "1.1.0", "good", {}, migrating(BROKEN, KINDS));
    fs.rmSync(path.join(folder, ".app.db.lastgood"), { recursive: true });
    const { outcome, error } = await rollback(system, "app", PLAIN, run);
    assert.equal(outcome, "committed", error);
    assert.deepEqual(jobs(folder), ["in the point"]);
  });

  onData(
    "without any data that fit, it is refused before anything stops",
    async (system, folder) => {
      await twoReleases(system, folder, BROKEN);
      fs.rmSync(path.join(folder, ".app.db.lastgood"), { recursive: true });
      await assert.rejects(rollback(system, "app", PLAIN, run), /no data that fit it/);
      assert.equal(links(folder)[0], "v1.1.0");
    },
  );

  onData("a migration that nobody declared is unknown", async (system, folder) => {
    await twoReleases(system, folder, { ...FIRST, "2_undeclared": "CREATE TABLE t (x)" });
    const { releases } = await listReleases(system, "app", run);
    assert.equal(releases.find(({ version }) => version === "1.0.0")?.verdict, "unknown");
  });

  onData(
    "a failed deploy that has migrated puts the data back by itself",
    async (system, folder) => {
      new DatabaseSync(path.join(folder, "app.db")).close();
      await install(system, folder, "1.0.0", "good", {}, migrating(FIRST, KINDS));
      insert(folder, "kept");
      const bad = await install(system, folder, "1.1.0", "500", {}, migrating(BROKEN, KINDS));
      assert.equal(bad.outcome, "rolled-back", bad.error);
      assert.deepEqual([jobs(folder), columns(folder)], [["kept"], ["what"]]);
    },
  );

  onData(
    "a failed deploy whose migration only adds leaves the data alone",
    async (system, folder) => {
      new DatabaseSync(path.join(folder, "app.db")).close();
      await install(system, folder, "1.0.0", "good", {}, migrating(FIRST, KINDS));
      const bad = await install(system, folder, "1.1.0", "500", {}, migrating(ADDED, KINDS));
      assert.equal(bad.outcome, "rolled-back", bad.error);
      assert.deepEqual(columns(folder), ["what", "done"]);
    },
  );

  onData(
    "what a release wrote before its data went back is a recovery point that stays",
    async (system, folder) => {
      await twoReleases(system, folder, BROKEN);
      const back = await rollback(system, "app", PLAIN, run);
      assert.equal(back.outcome, "committed", back.error);
      const points = await listPoints(system, run);
      const [point] = points;
      assert.deepEqual(
        points.map(({ valid, isSafety, aside }) => ({ valid, isSafety, aside })),
        [{ valid: true, isSafety: true, aside: `before-${back.operation}` }],
      );
      const description = await describePoint(await system.repository(run), point!, run);
      assert.deepEqual(description.stores["app/main"]?.facts?.rows?.["jobs"], 2);
      assert.deepEqual(description.releases, { app: "1.1.0" });
      // Old or not, no policy removes it.
      const later = "2030-01-01T00:00:00Z";
      const others = [1, 2].map((at) => ({
        ...point!,
        stamp: `later${at}`,
        isSafety: false,
        snapshot: { ...point!.snapshot, time: later },
      }));
      assert.deepEqual(judgePoints([point!, ...others], { last: 1 }, new Date(later))[0]?.reasons, [
        "safety point",
      ]);
      // And nothing else is ever the latest, or its data by accident.
      assert.throws(() => findPoint(points, "latest"), /no such point/);
      await backup(system, { include: [], reason: "" }, run);
      assert.equal((await listPoints(system, run)).length, 2);
    },
  );

  onData(
    "what a failed release wrote is a recovery point, made of it before it is freed",
    async (system, folder) => {
      new DatabaseSync(path.join(folder, "app.db")).close();
      await install(system, folder, "1.0.0", "good", {}, migrating(FIRST, KINDS));
      insert(folder, "kept");
      const { at } = system.config.repository;
      fs.renameSync(at, `${at}.away`);
      const bad = await install(system, folder, "1.1.0", "500", {}, migrating(BROKEN, KINDS));
      assert.equal(bad.outcome, "rolled-back", bad.error);
      const aside = path.join(folder, ".app.db.lastgood", `=rejected-${bad.operation}`);
      // Long after: it is in no other copy.
      const hundredDays = 100 * 86_400_000;
      const { clock } = system.host;
      const future = { ...clock, now: () => new Date(clock.now().getTime() + hundredDays) };
      const then = { ...system, host: { ...system.host, clock: future } };
      await expireSetAside(then, run);
      assert(fs.existsSync(aside));
      fs.renameSync(`${at}.away`, at);
      await expireSetAside(then, run);
      assert(!fs.existsSync(aside));
      const [point] = await listPoints(system, run);
      assert.deepEqual([point?.isSafety, point?.releases], [true, { app: "1.1.0" }]);
      // A database that 1.1.0 has migrated, with the row that was there.
      const target = path.join(folder, "found.db");
      const repository = await system.repository(run);
      await repository.read(point!.snapshot, run, (reader) =>
        reader.file("stores/app/main/app.db", target),
      );
      using database = new DatabaseSync(target);
      assert.equal(database.prepare("SELECT title FROM jobs").get()?.["title"], "kept");
    },
  );

  onDevice(
    "I8: two rollbacks in a row do not swing between two bad releases",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await install(system, folder, version);
      assert.equal((await rollback(system, "app", PLAIN, run)).live, "1.1.0");
      assert.equal((await rollback(system, "app", PLAIN, run)).live, "1.0.0");
      await assert.rejects(rollback(system, "app", PLAIN, run), /there is none/);
      await assert.rejects(
        rollback(system, "app", { ...PLAIN, to: "1.2.0" }, run),
        /it is marked as bad/,
      );
    },
  );
});
