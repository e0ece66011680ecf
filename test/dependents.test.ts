import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import type { Run } from "../src/base/events.ts";
import { deploy } from "../src/operations/releases/deploy.ts";
import { startComponents, stopComponents } from "../src/operations/stop-start.ts";
import type { System } from "../src/operations/system.ts";
import { testIn } from "./support/files.ts";
import { makeRelease } from "./support/releases.ts";
import { newSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: who depends on a component stops before it and starts after it, and who does not is left
// alone.

const run = quietRun();

/** `app` has releases; `web` and `ui` depend on it one through the other; `other` on nobody. */
async function threeOf(folder: string): Promise<System> {
  const flag = (name: string): object => {
    const file = path.join(folder, `${name}.runs`);
    return { command: { start: ["touch", file], stop: ["rm", file], alive: ["test", "-e", file] } };
  };
  const verify = { "healthy-for": "50ms", deadline: "3s" };
  const components = {
    app: { target: { folder: "versions" }, run: flag("app"), verify },
    ui: { run: flag("ui"), "depends-on": ["web"], verify },
    web: { run: flag("web"), "depends-on": ["app"], verify },
    other: { run: flag("other"), verify },
  };
  return await newSystem(folder, {}, { components });
}

function listening(): { run: Run; acts: string[] } {
  const acts: string[] = [];
  const report: Run["report"] = (event) => {
    const isOne = event.type === "step.started" && /^(stopped|active|running)/.test(event.step);
    if (isOne) acts.push(event.step);
  };
  return { run: { ...run, report }, acts };
}

suite("dependents", () => {
  testIn("stop before and start after what they depend on", async (folder) => {
    using system = await threeOf(folder);
    await startComponents(system, undefined, "", run);
    const heard = listening();
    const source = { from: makeRelease(folder, "1.0.0") };
    const options = { source, reason: "", force: false };
    const { outcome, error } = await deploy(system, "app", "1.0.0", options, heard.run);
    assert.equal(outcome, "committed", error);
    assert.deepEqual(heard.acts, [
      "stopped ui",
      "stopped web",
      "stopped app",
      "active app 1.0.0",
      "running app",
      "running web",
      "running ui",
    ]);
  });

  testIn("who was stopped by hand stays so; who does not depend is left alone", async (folder) => {
    using system = await threeOf(folder);
    await startComponents(system, undefined, "", run);
    await stopComponents(system, "ui", "", run);
    const heard = listening();
    const source = { from: makeRelease(folder, "1.0.0") };
    await deploy(system, "app", "1.0.0", { source, reason: "", force: false }, heard.run);
    assert.equal(
      heard.acts.some((act) => /ui|other/.test(act)),
      false,
    );
    assert.equal(existsSync(path.join(folder, "ui.runs")), false);
    const { stopped } = await stopComponents(system, "web", "", run);
    assert.deepEqual(stopped, ["ui", "web"]);
    assert.deepEqual((await startComponents(system, "app", "", run)).started, ["app", "web", "ui"]);
  });
});
