import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { realEffects } from "../src/base/effects.ts";
import { Outbox } from "../src/notifiers/outbox.ts";
import { doctor, type Finding, repairAll } from "../src/operations/doctor.ts";
import { makeFactory, verifyReleases } from "../src/operations/releases/manage.ts";
import { install, links, onDevice } from "./support/device.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: where the procedure of the updater fails when it is executed, lastgood does what it meant.
// trap-03, -05 and -11 are in deploy.test.ts, trap-04 in crash-deploy.test.ts, trap-08 in the story of
// examples/tope, trap-09 in packages.test.ts.

const run = quietRun();

suite("traps of releases", () => {
  onDevice(
    "trap-01: the link moves, and nothing is moved into a release",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
      const inside = fs.readdirSync(path.join(folder, "versions/v1.0.0"), { recursive: true });
      assert.equal(
        inside.some((name) => String(name).includes("tmp")),
        false,
      );
      // What the procedure does moves the new link into the folder that the old one leads to.
      const versions = path.join(folder, "versions");
      execFileSync("sh", ["-c", "ln -sfn v1.0.0 .t && mv -f .t current"], { cwd: versions });
      assert.equal(links(folder)[0], "v1.1.0");
      assert(fs.lstatSync(path.join(versions, "v1.1.0/.t")).isSymbolicLink());
      await realEffects.pointLink(path.join(versions, "current"), "v1.0.0");
      assert.equal(links(folder)[0], "v1.0.0");
    },
  );

  onDevice(
    "trap-06: a factory release can be executed, and damage to it is found",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const { immutable } = { ...(await makeFactory(system, "app", "1.0.0", run)) };
      const program = path.join(folder, "versions/v1.0.0/bin/device-api");
      assert.notEqual(fs.statSync(program).mode & 0o111, 0);
      if (immutable) {
        assert.throws(() => fs.appendFileSync(program, "x"), /EPERM/);
        execFileSync("chattr", ["-R", "-i", path.join(folder, "versions/v1.0.0")]);
      }
      fs.appendFileSync(program, "x");
      const target = system.components[0]!.target!;
      const [release] = await target.releases();
      const problems = await target.problemsOf(release!.version, "what-changed", run);
      assert.match(problems.join(), /bin\/device-api has \d+ bytes/);
    },
  );

  onDevice(
    "damage to the archive of the factory release is found, and mended",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
      const { archive } = await makeFactory(system, "app", "1.0.0", run);
      const ofFactory = async (): Promise<readonly Finding[]> =>
        (await doctor(system, run)).filter(({ problem }) => problem.includes("factory"));
      assert.deepEqual(await ofFactory(), []);
      const spoil = [
        () => fs.truncateSync(archive, 1000),
        () => fs.rmSync(archive),
        () => fs.rmSync(`${archive}.sha256`),
      ];
      for (const change of spoil) {
        change();
        const found = await ofFactory();
        assert.match(found[0]!.problem, /factory release 1\.0\.0: .*archive/);
        const { releases } = await verifyReleases(system, "app", "1.0.0", run);
        assert.match(releases[0]!.problems.join(), /archive/);
        assert.deepEqual((await repairAll(found, run)).failed, []);
        assert.deepEqual(await ofFactory(), []);
      }
      // Without it a damaged release stays what it is, and that is told.
      execFileSync("chattr", ["-R", "-f", "-i", path.join(folder, "versions/v1.0.0")]);
      fs.appendFileSync(path.join(folder, "versions/v1.0.0/VERSION"), "x");
      assert.match((await ofFactory())[0]!.hint, /out of its archive/);
      fs.truncateSync(archive, 1000);
      const [both] = await ofFactory();
      assert.match(both!.problem, /VERSION has /);
      assert.match((await repairAll([both!], run)).failed.join(), /factory-1\.0\.0\.tar\.zst/);
      fs.rmSync(archive);
      const [without] = await ofFactory();
      assert.match(without!.problem, /VERSION has .*; and it has no archive/);
      assert.equal(without!.repair, undefined);
    },
  );

  onDevice("trap-07: making the live release the factory one keeps it", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
    await makeFactory(system, "app", "1.1.0", run);
    assert.deepEqual(links(folder), ["v1.1.0", "v1.0.0", "v1.1.0"]);
    assert.equal(await system.components[0]!.runner!.isAlive(run), true);
    assert.equal((await install(system, folder, "1.2.0")).outcome, "committed");
  });

  onDevice(
    "trap-09: the same version twice is refused, and previous stays",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
      await assert.rejects(install(system, folder, "1.1.0"), /it is the live release/);
      await assert.rejects(install(system, folder, "1.0.0"), /there is a release of this name/);
      await assert.rejects(install(system, folder, "0.9.0"), /1\.1\.0, which is live, is newer/);
      assert.deepEqual(links(folder).slice(0, 2), ["v1.1.0", "v1.0.0"]);
    },
  );

  onDevice(
    "trap-10: reports wait for a receiver that is being restarted",
    async (_system, folder) => {
      const file = path.join(folder, "outbox.db");
      const heard: string[] = [];
      {
        using outbox = new Outbox(file);
        for (const body of ["1", "2", "3"]) outbox.add("http://device/", body);
        await outbox.flush(async ({ body }) => body === "1" && heard.push(body) > 0);
      }
      using again = new Outbox(file);
      again.add("http://device/", "4");
      await again.flush(async ({ body }) => heard.push(body) > 0);
      assert.deepEqual(heard, ["1", "2", "3", "4"]);
      assert.equal(again.waiting, 0);
    },
  );
});
