import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { Worker } from "node:worker_threads";
import type { Run } from "../src/base/events.ts";
import { OUTCOMES } from "../src/cli/outcome.ts";
import { listReleases } from "../src/operations/releases/candidates.ts";
import { deploy } from "../src/operations/releases/deploy.ts";
import { makeFactory, pinRelease, removeOne } from "../src/operations/releases/manage.ts";
import { hold, resume } from "../src/operations/releases/pause.ts";
import { undo } from "../src/operations/undo.ts";
import { rollback } from "../src/operations/releases/rollback.ts";
import { startComponents } from "../src/operations/stop-start.ts";
import { install, links, onDevice } from "./support/device.ts";
import { makeRelease } from "./support/releases.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: the invariants of a change of release, each by its number. I1 and I5 are also proven by
// crash-deploy.test.ts at every moment, I6's crashes too; I9 by rollback.test.ts.

const run = quietRun();
const PREVIOUS = { to: "previous", data: "as-needed", reason: "", force: false } as const;

/** Reads `current` without pause in a thread of its own until told to stop. */
function pollCurrent(folder: string): { stop: () => Promise<{ polls: number; failures: number }> } {
  const script = `
    const { parentPort, workerData } = require("node:worker_threads");
    const fs = require("node:fs");
    let polls = 0, failures = 0, isOver = false;
    parentPort.on("message", () => { isOver = true; });
    const poll = () => {
      for (let i = 0; i < 200; i++) {
        polls++;
        try { fs.readFileSync(workerData + "/versions/current/VERSION"); } catch { failures++; }
      }
      if (isOver) parentPort.postMessage({ polls, failures }); else setImmediate(poll);
    };
    poll();`;
  const worker = new Worker(script, { eval: true, workerData: folder });
  return {
    async stop() {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it is a thread
      worker.postMessage("stop");
      const [seen] = (await once(worker, "message")) as [{ polls: number; failures: number }];
      await worker.terminate();
      return seen;
    },
  };
}

/** Does something when a step of an operation begins. */
function whenStep(pattern: RegExp, act: () => void): Run {
  return {
    ...run,
    report: (event) => void (event.type === "step.started" && pattern.test(event.step) && act()),
  };
}

suite("invariants", () => {
  onDevice("I1: a reader never misses current while releases change", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const poller = pollCurrent(folder);
    await install(system, folder, "1.1.0");
    await install(system, folder, "1.2.0", "exit");
    await rollback(system, "app", PREVIOUS, run);
    const { polls, failures } = await poller.stop();
    assert.equal(failures, 0, `${failures} of ${polls} polls failed`);
    assert(polls > 1000);
  });

  onDevice("I2: a link that is changed meanwhile changes no way back", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
    const bend = (): void => {
      fs.rmSync(path.join(folder, "versions/previous"));
      fs.symlinkSync("v9.9.9", path.join(folder, "versions/previous"));
    };
    const source = { from: makeRelease(folder, "1.2.0", "exit") };
    const options = { source, reason: "", force: false };
    const { outcome, live } = await deploy(
      system,
      "app",
      "1.2.0",
      options,
      whenStep(/^running/, bend),
    );
    assert.deepEqual([outcome, live], ["rolled-back", "1.1.0"]);
  });

  onDevice("I3: what a link, a pin or a process needs is not removed", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await install(system, folder, version);
    await assert.rejects(removeOne(system, "app", "1.2.0", run), /current leads to it/);
    await assert.rejects(removeOne(system, "app", "1.1.0", run), /previous leads to it/);
    await pinRelease(system, "app", "1.0.0", true);
    await assert.rejects(removeOne(system, "app", "1.0.0", run), /it is pinned/);
    await pinRelease(system, "app", "1.0.0", false);
    using user = spawn("sleep", ["30"], { cwd: path.join(folder, "versions/v1.0.0/bin") });
    await assert.rejects(removeOne(system, "app", "1.0.0", run), new RegExp(`process ${user.pid}`));
    user.kill("SIGKILL");
    await once(user, "exit");
    await removeOne(system, "app", "1.0.0", run);
    assert(!fs.existsSync(path.join(folder, "versions/v1.0.0")));
  });

  onDevice(
    "I4: a failed release stays as evidence and pushes no good one out",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await install(system, folder, version);
      for (const version of ["1.3.0", "1.4.0", "1.5.0"])
        await install(system, folder, version, "exit");
      await install(system, folder, "1.6.0");
      const { releases, failed } = await listReleases(system, "app", run);
      assert.deepEqual(
        releases.map(({ version }) => version),
        ["1.6.0", "1.2.0", "1.1.0"],
      );
      assert.deepEqual(failed.map(({ version }) => version).toSorted(), ["1.4.0", "1.5.0"]);
      const [one] = fs.readdirSync(path.join(folder, "versions/.failed"));
      assert(fs.existsSync(path.join(folder, "versions/.failed", one!, "bin/device-api")));
    },
  );

  onDevice("I6: going back does not listen to cancellation", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const stop = new AbortController();
    const heard = whenStep(/^(running|stopped|active)/, () => stop.abort());
    const source = { from: makeRelease(folder, "1.1.0") };
    const options = { source, reason: "", force: false };
    const cancelled = { ...heard, signal: stop.signal };
    const { outcome, live, error } = await deploy(system, "app", "1.1.0", options, cancelled);
    assert.match(outcome, /^(aborted|rolled-back)$/);
    assert.equal(error, "cancelled");
    assert.equal(live, "1.0.0");
    assert.equal(await system.components[0]!.runner!.isAlive(run), true);
  });

  onDevice("who cancels what is going back already is not the reason", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const stop = new AbortController();
    const options = {
      source: { from: makeRelease(folder, "1.1.0", "exit") },
      reason: "",
      force: false,
    };
    const late: Run = {
      signal: stop.signal,
      report: ({ type }) => {
        if (type === "back.began") stop.abort();
      },
    };
    const { outcome, live, error } = await deploy(system, "app", "1.1.0", options, late);
    assert.deepEqual([outcome, live, stop.signal.aborted], ["rolled-back", "1.0.0", true]);
    assert.notEqual(error, "cancelled");
  });

  onDevice("I6: going back needs no journal", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const source = { from: makeRelease(folder, "1.1.0", "exit") };
    const options = { source, reason: "", force: false };
    const refuse = (): never => {
      throw new Error("database or disk is full");
    };
    const { journal } = system;
    const heard = whenStep(/^running/, () => {
      Object.assign(journal, { recordBack: refuse, finish: refuse });
    });
    const { outcome, live } = await deploy(system, "app", "1.1.0", options, heard);
    assert.deepEqual([outcome, live], ["rolled-back", "1.0.0"]);
  });

  onDevice("I7: once committed nothing goes back by itself", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
    const { runner } = system.components[0]!;
    await runner!.stop(run);
    await assert.rejects(async () => {
      fs.writeFileSync(path.join(folder, "versions/current/behaviour"), "exit");
      await startComponents(system, "app", "", run);
    }, /ended at once|ended by itself/);
    assert.equal(links(folder)[0], "v1.1.0");
  });

  onDevice(
    "I8: after a rollback deploys are held until somebody says so",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      await install(system, folder, "1.1.0", "exit");
      await assert.rejects(install(system, folder, "1.2.0"), /held since .*1\.1\.0 failed/);
      await resume(system, "app", "mended");
      assert.equal((await install(system, folder, "1.2.0")).outcome, "committed");
      await hold(system, "app", "the fair");
      await assert.rejects(install(system, folder, "1.3.0"), /held since .*the fair/);
    },
    { hold: true },
  );

  onDevice(
    "I8: who undoes a rollback lets deploys go on; what somebody held stays held",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      await install(system, folder, "1.1.0");
      await rollback(system, "app", PREVIOUS, run);
      await assert.rejects(install(system, folder, "1.2.0"), /held since .*rolled back to 1\.0\.0/);
      assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
      assert.equal((await install(system, folder, "1.2.0")).outcome, "committed");
      await rollback(system, "app", PREVIOUS, run);
      await hold(system, "app", "the fair");
      await undo(system, undefined, { reason: "" }, run);
      await assert.rejects(install(system, folder, "1.3.0"), /held since .*the fair/);
    },
    { hold: true },
  );

  onDevice("I10: one operation at a time, and the second is told", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const second: Promise<unknown>[] = [];
    const begin = (): void =>
      void second.push(rollback(system, "app", PREVIOUS, run).catch((e: unknown) => e));
    const source = { from: makeRelease(folder, "1.1.0") };
    await deploy(
      system,
      "app",
      "1.1.0",
      { source, reason: "", force: false },
      whenStep(/^healthy/, begin),
    );
    assert.match(String(await second[0]), /deploy \S+ .*is under way since/);
  });

  onDevice(
    "I11, I12: each end has its word, its code and its place in the history",
    async (system, folder) => {
      const ends: string[] = [];
      ends.push((await install(system, folder, "1.0.0")).outcome);
      await makeFactory(system, "app", "1.0.0", run);
      ends.push((await install(system, folder, "1.1.0")).outcome);
      ends.push((await install(system, folder, "1.2.0", "exit")).outcome);
      fs.appendFileSync(path.join(folder, "versions/v1.1.0/VERSION"), "damaged");
      ends.push((await install(system, folder, "1.3.0", "exit", { force: true })).outcome);
      assert.deepEqual(ends, ["committed", "committed", "rolled-back", "rolled-back-to-factory"]);
      const codes = Object.values(OUTCOMES).map(({ exit }) => exit);
      assert.equal(new Set(codes).size, codes.length);
      const told = system.journal.history(10).map(({ kind, outcome }) => `${kind} ${outcome}`);
      assert.equal(told[0], "deploy rolled-back-to-factory");
      assert(told.includes("deploy rolled-back"));
    },
  );
});
