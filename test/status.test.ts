import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { folderBackend } from "../src/backends/folder.ts";
import { backup } from "../src/operations/backup.ts";
import { forget } from "../src/operations/forget.ts";
import { prune } from "../src/operations/prune.ts";
import { copyPoints, knownCopies } from "../src/operations/copy.ts";
import { doctor } from "../src/operations/doctor.ts";
import { drill } from "../src/operations/drill/drill.ts";
import { listIncidents } from "../src/operations/incidents/manage.ts";
import { lockComponents } from "../src/operations/operation-lock.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import { restore } from "../src/operations/restore.ts";
import { status } from "../src/operations/status.ts";
import type { System } from "../src/operations/system.ts";
import { verify } from "../src/operations/verify.ts";
import { createRepository } from "../src/repository/repository.ts";
import { harm, largestPack } from "./support/damage.ts";
import { put, testIn } from "./support/files.ts";
import { CHEAP } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { reopenSystem, systemWithPoint } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: "all is well" is said where nothing is known that is not.

const run = quietRun();

async function newPlace(folder: string): Promise<System> {
  put(folder, { "files/a": "a" });
  return await systemWithPoint(folder, { stores: { files: { folder: "files" } } });
}

const textOfAll = (findings: readonly { readonly problem: string }[]): string =>
  findings.map(({ problem }) => problem).join("\n");

suite("status", { concurrency: 4 }, () => {
  testIn("what a check has found is a problem until one finds nothing", async (folder) => {
    using system = await newPlace(folder);
    assert((await status(system, run)).ok);
    const index = path.join(folder, "repository", "index");
    fs.renameSync(index, path.join(folder, "away"));
    await verify(system, { readData: "none" }, "", run);
    listIncidents(system, run);
    const { ok, sentence } = await status(system, run);
    assert(!ok);
    assert.match(sentence, /^check failed: .* lastgood incident show /);
    fs.renameSync(path.join(folder, "away"), index);
    await verify(system, { readData: "none" }, "", run);
    listIncidents(system, run);
    assert((await status(system, run)).ok);
  });

  testIn("what is known of incidents and cannot be read is a problem", async (folder) => {
    using system = await newPlace(folder);
    assert((await status(system, run)).ok);
    for (const suffix of ["", "-wal", "-shm"]) {
      put(folder, { [`.lastgood/records.db${suffix}`]: "no database" });
    }
    const { problems } = await status(system, run);
    assert.match(problems.join(), /what went wrong lately is not known: .*not a database/);
  });

  testIn("of several problems none is kept back", async (folder) => {
    using system = await newPlace(folder);
    fs.rmSync(path.join(folder, "repository", "index"), { recursive: true });
    await verify(system, { readData: "none" }, "", run);
    await assert.rejects(drill(system, { named: "latest", reason: "" }, run));
    listIncidents(system, run);
    const { problems, sentence } = await status(system, run);
    assert.equal(problems.length, 2);
    assert.equal(sentence, problems[0]);
  });

  testIn("a point ahead of the clock is told, and how to go on", async (folder) => {
    using _past = await newPlace(folder);
    const year = 366 * 86_400_000;
    const ahead = { now: () => new Date(Date.now() + year) };
    {
      using future = await reopenSystem(folder, ahead);
      assert((await status(future, run)).ok);
      await backup(future, { include: [], reason: "" }, run);
      assert((await status(future, run)).ok);
    }
    using system = await reopenSystem(folder);
    const { stamp } = await backup(system, { include: [], reason: "" }, run);
    const { sentence } = await status(system, run);
    assert.equal(sentence, `the newest point, ${stamp}, is ahead of the clock: lastgood doctor`);
    assert.match(textOfAll(await doctor(system, run)), /2 points are ahead of the clock/);
    const { points } = await forget(system, { points: [], plan: true }, "", run);
    assert.deepEqual(
      points.map(({ reasons }) => reasons.length > 0),
      [true, true, true],
    );
  });

  testIn("a damaged point keeps no other from a copy, and is a problem", async (folder) => {
    put(folder, { "files/a": randomBytes(2000).toString("hex") });
    const copies = { off: { at: "two", password: { file: "key" } } };
    const component = { stores: { files: { folder: "files" } } };
    using system = await systemWithPoint(folder, component, { copies });
    await createRepository(folderBackend(path.join(folder, "two")), PASSWORD, { cost: CHEAP }, run);
    const [first] = await listPoints(system, run);
    harm(largestPack(path.join(folder, "repository")), (bytes) => {
      bytes[100]! ^= 1;
      return bytes;
    });
    put(folder, { "files/a": "another" });
    const { stamp } = await backup(system, { include: [], reason: "" }, run);
    const { errors } = await copyPoints(system, "off", [], "", run);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, new RegExp(`^point ${first!.stamp} is damaged and was not copied: `));
    assert.deepEqual((await knownCopies(system))["off"], [stamp]);
    listIncidents(system, run);
    assert.match((await status(system, run)).problems.join(), /copy failed: .*is damaged/);
  });

  testIn("a point that cannot be read is told where a copy lacks it", async (folder) => {
    put(folder, { "files/a": "content" });
    const copies = { off: { at: "two", password: { file: "key" } } };
    const component = { stores: { files: { folder: "files" } } };
    using system = await systemWithPoint(folder, component, { copies });
    const two = path.join(folder, "two");
    await createRepository(folderBackend(two), PASSWORD, { cost: CHEAP }, run);
    const copyAgain = async (): Promise<readonly string[]> => {
      // What was read once is remembered by who has read it.
      using again = await reopenSystem(folder);
      return (await copyPoints(again, "off", [], "", run)).errors;
    };
    assert.deepEqual(await copyAgain(), []);
    await backup(system, { include: [], reason: "" }, run);
    const points = await listPoints(system, run);
    const [first, second] = points.map(({ snapshot }) => snapshot.id);
    const snapshots = path.join(folder, "repository/snapshots");
    harm(path.join(snapshots, first!), () => "damaged");
    assert.deepEqual(await copyAgain(), []);
    fs.rmSync(two, { recursive: true });
    await createRepository(folderBackend(two), PASSWORD, { cost: CHEAP }, run);
    harm(path.join(snapshots, second!), () => "damaged");
    const errors = await copyAgain();
    assert.equal(errors.length, 2);
    for (const id of [first!, second!]) {
      const hint = new RegExp(`^not copied: .*lastgood forget ${id.slice(0, 8)}$`);
      assert(errors.some((error) => hint.test(error)));
    }
  });

  testIn("without a snapshot that cannot be read one can go on", async (folder) => {
    put(folder, { "files/a": "content" });
    const component = { stores: { files: { folder: "files" } } };
    using made = await systemWithPoint(folder, component);
    const { stamp } = await backup(made, { include: [], reason: "" }, run);
    const [first] = await listPoints(made, run);
    harm(path.join(folder, "repository/snapshots", first!.snapshot.id), () => "damaged");
    using system = await reopenSystem(folder);
    const name = first!.snapshot.id.slice(0, 8);
    const { hints } = await verify(system, { readData: "none" }, "", run);
    assert(hints.some((hint) => hint.includes(`lastgood forget ${name}`)));
    await assert.rejects(prune(system, { how: "do", reason: "" }, run), { code: "CORRUPT" });
    const none = { points: [name.slice(0, 7)], plan: false };
    await assert.rejects(forget(system, none, "", run), { code: "NOT_FOUND" });
    const { removed } = await forget(system, { points: [name], plan: false }, "", run);
    assert.deepEqual(removed, [`snapshot ${name}`]);
    await prune(system, { how: "do", reason: "" }, run);
    assert.deepEqual((await verify(system, { readData: "none" }, "", run)).errors, []);
    assert.deepEqual(
      (await listPoints(system, run)).map((point) => point.stamp),
      [stamp],
    );
  });

  testIn("a name that was mistyped is no incident", async (folder) => {
    using system = await newPlace(folder);
    const mistyped = { code: "NOT_FOUND" };
    await assert.rejects(copyPoints(system, "nope", [], "", run), mistyped);
    await assert.rejects(verify(system, { readData: "none", copy: "nope" }, "", run), mistyped);
    await assert.rejects(drill(system, { named: "nope", reason: "" }, run), mistyped);
    await assert.rejects(forget(system, { points: ["nope"], plan: false }, "", run), mistyped);
    assert.deepEqual(listIncidents(system, run), []);
  });

  testIn(
    "a state that was lost: points are looked for, and what lies aside is named",
    async (folder) => {
      {
        using system = await newPlace(folder);
        const { outcome } = await restore(system, "latest", { reason: "", force: false }, run);
        assert.equal(outcome, "committed");
        const file = path.join(folder, "files/a");
        fs.writeFileSync(file, "b");
        const part = await restore(system, "latest", { reason: "", force: false, file }, run);
        assert.equal(part.outcome, "committed");
        assert.doesNotMatch(textOfAll(await doctor(system, run)), /this state does not know/);
      }
      fs.rmSync(path.join(folder, ".lastgood"), { recursive: true });
      using system = await reopenSystem(folder);
      const { ok, sentence } = await status(system, run);
      assert(!ok);
      assert.match(sentence, /^no recovery point was seen from here yet: lastgood points/);
      const found = textOfAll(await doctor(system, run));
      const [, aside = ""] =
        /app\/files: (\S+) was set aside by .* this state does not know/.exec(found) ?? [];
      assert.equal(fs.readFileSync(path.join(aside, "files", "a"), "utf8"), "a");
      const [, ofPart = ""] = /app\/files: (\S+part-\S+) was set aside/.exec(found) ?? [];
      assert.equal(fs.readFileSync(path.join(ofPart, "a"), "utf8"), "b");
      assert((await status(system, run)).ok, "doctor has looked at the points");
    },
  );

  testIn("that somebody works on a component is said, whatever it is", async (folder) => {
    using system = await newPlace(folder);
    using _lock = lockComponents(system.paths.locks, ["app"]);
    const { ok, sentence } = await status(system, run);
    assert(ok);
    assert.match(sentence, /^Something is under way on app\./);
  });
});
