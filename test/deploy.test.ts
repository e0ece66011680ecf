import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import type { Run } from "../src/base/events.ts";
import { deploy } from "../src/operations/releases/deploy.ts";
import { listReleases } from "../src/operations/releases/candidates.ts";
import { makeFactory } from "../src/operations/releases/manage.ts";
import { install, links, onDevice } from "./support/device.ts";
import { makeRelease } from "./support/releases.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: a release that is not healthy goes back by itself, to what was live and to factory, and
// nothing that is needed is ever lost.
// Method: a real service that lastgood starts itself, whose releases fail in all the ways.

const run = quietRun();

suite("deploy", () => {
  onDevice(
    "a good release becomes live, and what it replaced is previous",
    async (system, folder) => {
      const first = await install(system, folder, "1.0.0");
      assert.equal(first.outcome, "committed", first.error);
      assert.deepEqual(links(folder), ["v1.0.0", "-", "-"]);
      const second = await install(system, folder, "1.1.0");
      assert.equal(second.outcome, "committed", second.error);
      assert.deepEqual(links(folder), ["v1.1.0", "v1.0.0", "-"]);
      const { releases } = await listReleases(system, "app", run);
      assert.deepEqual(
        releases.map(({ version, good, verified }) => [version, good, verified]),
        [
          ["1.1.0", true, true],
          ["1.0.0", true, true],
        ],
      );
    },
  );

  for (const behaviour of ["exit", "hang", "500", "die", "not-executable"] as const) {
    onDevice(
      `trap-05: a release that is "${behaviour}" goes back by itself`,
      async (system, folder) => {
        await install(system, folder, "1.0.0");
        await install(system, folder, "1.1.0");
        const bad = await install(system, folder, "1.2.0", behaviour);
        assert.equal(bad.outcome, "rolled-back", bad.error);
        if (behaviour === "exit")
          assert.match(bad.error ?? "", /: ERROR cannot open \/dev\/robot$/);
        if (behaviour === "hang" || behaviour === "500") {
          assert.equal(bad.hint, `See its log: ${system.paths.state}/logs/app.log`);
        }
        assert.equal(bad.live, "1.1.0");
        assert.deepEqual(links(folder), ["v1.1.0", "v1.0.0", "-"]);
        assert(!fs.existsSync(path.join(folder, "versions/v1.2.0")));
        assert.equal(fs.readdirSync(path.join(folder, "versions/.failed")).length, 1);
        // The name is free again: trap-11.
        const mended = await install(system, folder, "1.2.0");
        assert.equal(mended.outcome, "committed", mended.error);
      },
      behaviour === "die" ? { verify: { "healthy-for": "4s", deadline: "20s" } } : {},
    );
  }

  onDevice("of a package with all in one folder more that is told", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const inner = makeRelease(folder, "1.1.0");
    const from = path.join(folder, "outer");
    fs.mkdirSync(from);
    fs.renameSync(inner, path.join(from, "app-1.1.0"));
    const options = { source: { from }, reason: "", force: false };
    const told: string[] = [];
    const report: Run["report"] = (event) => void told.push(JSON.stringify(event));
    const { outcome } = await deploy(system, "app", "1.1.0", options, { ...run, report });
    assert.equal(outcome, "rolled-back");
    assert.match(told.join("\n"), /lies in the folder app-1\.1\.0: .+ is now app-1\.1\.0\/.+/);
    assert.deepEqual(links(folder), ["v1.0.0", "-", "-"]);
  });

  onDevice("a log that has grown long is put aside at the next start", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const log = path.join(system.paths.state, "logs/app.log");
    fs.truncateSync(log, 17 * 1024 * 1024);
    await install(system, folder, "1.1.0");
    assert.equal(fs.statSync(`${log}.1`).size, 17 * 1024 * 1024);
    assert.match(fs.readFileSync(log, "utf8"), /^device-api 1\.1\.0 listens/);
  });

  onDevice("trap-03: it goes back to what was live, not to previous", async (system, folder) => {
    await install(system, folder, "1.0.5");
    await install(system, folder, "1.1.0");
    const { live } = await install(system, folder, "1.2.0", "exit");
    assert.equal(live, "1.1.0");
  });

  onDevice("what was live is damaged: depth 2 is factory", async (system, folder) => {
    await install(system, folder, "1.0.0");
    await makeFactory(system, "app", "1.0.0", run);
    await install(system, folder, "1.1.0");
    fs.appendFileSync(path.join(folder, "versions/v1.1.0/VERSION"), "damaged");
    const { outcome, live } = await install(system, folder, "1.2.0", "exit", { force: true });
    assert.equal(outcome, "rolled-back-to-factory");
    assert.equal(live, "1.0.0");
  });
});
