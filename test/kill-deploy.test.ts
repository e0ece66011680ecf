import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { listReleases } from "../src/operations/releases/candidates.ts";
import { makeFactory, removeOne } from "../src/operations/releases/manage.ts";
import { install, onDevice } from "./support/device.ts";
import { lastgood } from "./support/killed.ts";
import { EXHAUSTIVE_STEP } from "./support/exhaustive.ts";
import { type Behaviour, makeRelease } from "./support/releases.ts";
import { reopenSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: a real lastgood, killed by SIGKILL at a random moment of a deploy or a rollback, is followed
// by a recover after which `current` leads to a whole release and just that one runs and answers.
// Method: real processes, links and files; the moments are random and printed when one fails.

const run = quietRun();
const ROUNDS = EXHAUSTIVE_STEP === 1 ? 16 : 6;
const LONGEST_MS = 2500;

const KINDS: readonly Behaviour[] = ["good", "exit", "500"];

onDevice(
  "killed at random moments, twice, a change of release ends whole",
  async (system, folder, tell) => {
    await install(system, folder, "1.0.0");
    await makeFactory(system, "app", "1.0.0", run);
    await install(system, folder, "1.1.0");
    const outcomes: Record<string, number> = {};
    for (let round = 0; round < ROUNDS; round++) {
      const version = `2.${round}.0`;
      const behaviour = KINDS[round % KINDS.length]!;
      const from = makeRelease(folder, version, behaviour);
      const isRollback = round % 4 === 3;
      const args = isRollback
        ? ["rollback", "app", "--to", "factory", "--yes"]
        : ["deploy", "app", version, "--from", from, "--force"];
      const killMs = Math.random() * LONGEST_MS;
      await lastgood(folder, args, killMs);
      const againMs = Math.random() * LONGEST_MS * 0.7;
      await lastgood(folder, ["recover"], againMs);
      const code = await lastgood(folder, ["recover"]);
      const what = `${args.slice(0, 3).join(" ")} (${behaviour}) killed at ${killMs} ms, recover at ${againMs}`;
      assert.equal(code, 0, what);
      using now = await reopenSystem(folder);
      assert.deepEqual(now.journal.unfinished(), [], what);
      const { current, releases } = await listReleases(now, "app", run);
      const live = releases.find((release) => release.version === current);
      assert.equal(live?.verified, true, `${what}: ${current} is damaged`);
      const [component] = now.components;
      assert.equal(await component!.runner!.isAlive(run), true, `${what}: it does not run`);
      for (const { name, check } of component!.checks) {
        let answer = await check.ask(run);
        for (let tries = 0; tries < 20 && answer.verdict !== "good"; tries++) {
          await sleep(100);
          answer = await check.ask(run);
        }
        assert.equal(answer.verdict, "good", `${what}: ${name}: ${answer.detail}`);
      }
      const outcome = now.journal.history(1)[0]?.outcome ?? "none";
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (isRollback) await lastgood(folder, ["deploy", "app", "1.1.0", "--force"]);
      for (const { version: other, pointers } of releases) {
        if (pointers.length === 0 && other !== "1.1.0") {
          await removeOne(now, "app", other, run).catch(() => {});
        }
      }
      fs.rmSync(from, { recursive: true });
    }
    tell(`${ROUNDS} rounds, 0 violations: ${JSON.stringify(outcomes)}`);
  },
);

onDevice(
  "R19: a migration that outlives its lastgood is ended before the data go back",
  async (system, folder) => {
    const data = path.join(folder, "app.db");
    new DatabaseSync(data).close();
    await install(system, folder, "1.0.0");
    const began = path.join(folder, "began");
    const late = path.join(folder, "late");
    // What it has started goes on too.
    const served = path.join(folder, "served");
    const service = `setsid sh -c 'sleep 4; touch ${served}' >/dev/null 2>&1 &`;
    const script = `${service} touch ${began}; (sleep 2; touch ${late}) & wait`;
    const release = JSON.stringify({ migrate: ["sh", "-c", script] });
    const from = makeRelease(folder, "1.1.0", "good", { "release.json": release });
    const gone = lastgood(
      folder,
      ["deploy", "app", "1.1.0", "--from", from, "--force"],
      60_000,
      began,
    );
    await gone;
    assert(fs.existsSync(began));
    assert.equal(await lastgood(folder, ["recover"]), 0);
    await sleep(3000);
    assert(!fs.existsSync(late), "it went on");
    for (let tries = 0; !fs.existsSync(served); tries++) {
      assert(tries < 50, "a service that it started was ended too");
      await sleep(100);
    }
    using now = await reopenSystem(folder);
    assert.equal((await listReleases(now, "app", run)).current, "1.0.0");
  },
  {
    component: {
      target: { folder: "versions", "post-commands": "run" },
      stores: { main: { sqlite: "app.db" } },
    },
  },
);
