import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { restore } from "../src/operations/restore.ts";
import { startComponents, stopComponents } from "../src/operations/stop-start.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { testIn } from "./support/files.ts";
import { systemWithPoint } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: going back leads to what was: who had stopped an application finds it stopped.

const run = quietRun();
const PLAIN = { reason: "", force: false };
const SECONDS_MAX = "60";

const stop = (system: System): Promise<unknown> => stopComponents(system, undefined, "", run);
const start = (system: System): Promise<unknown> => startComponents(system, undefined, "", run);
const isAlive = async ({ components }: System): Promise<boolean> =>
  await components[0]!.runner!.isAlive(run);

/** An application with a point, running, which ends with it. */
async function newApplication(
  folder: string,
  rest: object = {},
): Promise<AsyncDisposable & { readonly system: System }> {
  fs.mkdirSync(path.join(folder, "files"));
  fs.writeFileSync(path.join(folder, "files", "a"), "old");
  const system = await systemWithPoint(folder, {
    run: { process: ["sleep", SECONDS_MAX] },
    stores: { files: { folder: "files" } },
    ...rest,
  });
  await start(system);
  return {
    system,
    async [Symbol.asyncDispose]() {
      await stop(system);
      system[Symbol.dispose]();
    },
  };
}

suite("an application that was stopped", { concurrency: 4 }, () => {
  for (const was of ["running", "stopped"] as const) {
    testIn(`${was}: so it is after a restore that was given up`, async (folder) => {
      await using application = await newApplication(folder);
      const { system } = application;
      if (was === "stopped") await stop(system);
      const script = 'exec 9< "$0"; echo ready; exec sleep 30';
      const file = path.join(folder, "files", "a");
      using reader = spawn("sh", ["-c", script, file], { stdio: ["ignore", "pipe", "ignore"] });
      await once(reader.stdout, "data");
      const { outcome, error, leftStopped } = await restore(system, "latest", PLAIN, run);
      assert.equal(outcome, "aborted");
      assert.match(error ?? "", /still has its data open/);
      assert.deepEqual(leftStopped, was === "stopped" ? ["app"] : []);
      assert.equal(await isAlive(system), was === "running");
    });

    testIn(`${was}: so it is after a restore that went back`, async (folder) => {
      const well = path.join(folder, "well");
      fs.writeFileSync(well, "");
      const checks = { well: { command: ["test", "-e", well] } };
      const verify = { "healthy-for": "10ms", deadline: "200ms" };
      await using application = await newApplication(folder, { checks, verify });
      const { system } = application;
      if (was === "stopped") await stop(system);
      fs.rmSync(well);
      fs.writeFileSync(path.join(folder, "files", "a"), "new");
      const { outcome } = await restore(system, "latest", PLAIN, run);
      assert.equal(outcome, "rolled-back");
      assert.equal(fs.readFileSync(path.join(folder, "files", "a"), "utf8"), "new");
      assert.equal(await isAlive(system), was === "running");
    });
  }

  testIn("data that it is not well with come back by force; it is left stopped", async (folder) => {
    const file = path.join(folder, "files", "a");
    const checks = { well: { command: ["grep", "-q", "old", file] } };
    const verify = { "healthy-for": "10ms", deadline: "200ms" };
    await using application = await newApplication(folder, { checks, verify });
    const { system } = application;
    fs.writeFileSync(file, "damaged");
    const restored = await restore(system, "latest", PLAIN, run);
    assert.equal(restored.outcome, "committed");
    const refused = await undo(system, undefined, { reason: "" }, run);
    assert.equal(refused.outcome, "rolled-back");
    const [, lies = ""] = /in (\S+)\. .*undo --force/.exec(refused.hint ?? "") ?? [];
    assert.equal(fs.readFileSync(path.join(lies, "files", "a"), "utf8"), "damaged");
    assert(await isAlive(system));
    const forced = await undo(system, restored.operation, { reason: "", force: true }, run);
    assert.equal(forced.outcome, "committed");
    assert.deepEqual(forced.leftStopped, ["app"]);
    assert.equal(fs.readFileSync(file, "utf8"), "damaged");
    assert(!(await isAlive(system)));
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert.equal(fs.readFileSync(file, "utf8"), "old");
    assert(await isAlive(system));
  });

  testIn("once it is restored or undone it runs: that is what somebody wanted", async (folder) => {
    await using application = await newApplication(folder);
    const { system } = application;
    await stop(system);
    assert.equal((await restore(system, "latest", PLAIN, run)).outcome, "committed");
    assert(await isAlive(system));
    await stop(system);
    assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
    assert(await isAlive(system));
  });
});
