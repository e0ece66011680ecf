import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { systemClock } from "../src/base/clock.ts";
import { logCheck } from "../src/checks/log.ts";
import { compareMetric, type Metric } from "../src/checks/metric.ts";
import { sqlCheck } from "../src/checks/sql.ts";
import { tcpCheck } from "../src/checks/tcp.ts";
import { versionCheck } from "../src/checks/version.ts";
import { parseConfig } from "../src/config/load.ts";
import { health } from "../src/operations/health.ts";
import { makeFactory } from "../src/operations/releases/manage.ts";
import { status } from "../src/operations/status.ts";
import { install, links, onDevice } from "./support/device.ts";
import { freePort } from "./support/releases.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: each kind of check says good, bad or unknown when it should, and what it says decides what it
// may decide.

const run = quietRun();

suite("checks", () => {
  test("tcp: somebody accepts, or nobody does", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    assert.equal((await tcpCheck(`127.0.0.1:${port}`, 1000).ask(run)).verdict, "good");
    server.close();
    await once(server, "close");
    assert.equal((await tcpCheck(`127.0.0.1:${port}`, 1000).ask(run)).verdict, "bad");
  });

  test("version: what answers is what is live, an old process is not, silence is unknown", async () => {
    const ask = async (says: string, expected: string | undefined): Promise<string> => {
      const from = { command: ["echo", says] as const, folder: "/" };
      const check = versionCheck({ from, expected: async () => expected, timeoutMs: 1000 });
      return (await check.ask(run)).verdict;
    };
    assert.equal(await ask("v1.2.0", "1.2.0"), "good");
    assert.equal(await ask("1.1.0", "1.2.0"), "bad");
    assert.equal(await ask("1.1.0", undefined), "unknown");
    const from = { file: async () => "/nowhere" };
    const silent = versionCheck({ from, expected: async () => "1.2.0", timeoutMs: 1000 });
    assert.equal((await silent.ask(run)).verdict, "unknown");
  });

  test("log: only what came since the beginning counts, also after a rotation", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "log");
    fs.writeFileSync(file, "ERROR old\n");
    const check = logCheck({ from: { file }, bad: /^ERROR/u, clock: systemClock, timeoutMs: 1000 });
    await check.begin!(run);
    assert.equal((await check.ask(run)).verdict, "good");
    fs.appendFileSync(file, "fine\n");
    assert.equal((await check.ask(run)).verdict, "good");
    fs.appendFileSync(file, "ERROR new\n");
    assert.deepEqual(await check.ask(run), { verdict: "bad", detail: "it says: ERROR new" });
    fs.renameSync(file, `${file}.1`);
    fs.writeFileSync(file, "ERROR rotated\n");
    assert.equal((await check.ask(run)).verdict, "bad");
    fs.rmSync(file);
    assert.equal((await check.ask(run)).verdict, "unknown");
  });

  test("sql: a value, no row, no table", async () => {
    await using temporary = await temporaryFolder();
    const file = path.join(temporary.path, "app.db");
    using database = new DatabaseSync(file);
    database.exec("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)");
    const ask = async (query: string, above: number): Promise<string> =>
      (await sqlCheck(file, query, { above }, 1000).ask(run)).verdict;
    assert.equal(await ask("SELECT n FROM t", 6), "good");
    assert.equal(await ask("SELECT n FROM t", 7), "bad");
    assert.equal(await ask("SELECT n FROM t WHERE n > 9", 0), "unknown");
    assert.equal(await ask("SELECT n FROM nothing", 0), "bad");
    assert.equal(await ask("DELETE FROM t", 0), "bad");
    assert.equal(database.prepare("SELECT count(*) AS n FROM t").get()?.["n"], 1);
  });

  test("metric: a ratio of medians; few samples, or nothing before, say nothing", () => {
    const metric: Metric = { http: "", field: undefined, criticalRatio: 10, samples: 3 };
    const judge = (before: number[], after: number[]): string =>
      compareMetric(metric, before, after).verdict;
    assert.equal(judge([1, 1, 900], [2, 2, 900]), "good");
    assert.equal(judge([1, 1, 1], [11, 11, 1]), "bad");
    assert.equal(judge([1, 1], [99, 99, 99]), "unknown");
    assert.equal(judge([1, 1, 1], [99, 99]), "unknown");
    assert.equal(judge([0, 0, 0], [5, 5, 5]), "unknown");
  });

  test("a circle of components, and two of one target, are errors of the configuration", () => {
    const config = (components: string): string =>
      `system: s\nrepository: { at: r, password: { env: P } }\ncomponents:\n${components}`;
    assert.throws(
      () => parseConfig(config("  a: { depends-on: [b] }\n  b: { depends-on: [a] }\n"), "f"),
      /f:4:\d+: .*depend on each other: a → b → a/,
    );
    assert.throws(() => parseConfig(config("  a: { depends-on: [x] }\n"), "f"), /no component x/);
    const shared = "  a: { target: { folder: v } }\n  b: { target: { folder: v } }\n";
    assert.throws(() => parseConfig(config(shared), "f"), /its target, v, is that of a too/);
    const checked = '  a: { checks: { c: { sql: { store: db, query: "SELECT 1" } } } }\n';
    assert.throws(
      () => parseConfig(config(checked), "f"),
      /checks\.c\.sql\.store: there is no store db/,
    );
  });
});

const port = await freePort();
const bakePort = await freePort();
const SHADOW = { checks: { api: { tcp: `127.0.0.1:${port}`, need: "shadow" } } };

suite("what checks decide", () => {
  onDevice(
    "a shadow check that is bad decides nothing",
    async (system, folder) => {
      const { outcome } = await install(system, folder, "1.0.0");
      assert.equal(outcome, "committed");
      const { ok, checks } = await health(system, undefined, run);
      assert.equal(ok, true);
      assert.equal(checks.find(({ check }) => check === "api")?.verdict, "bad");
      assert.doesNotMatch((await status(system, run)).sentence, /check app\/api/);
    },
    { component: SHADOW },
  );

  onDevice(
    "R11: what is bad already refuses a deploy, and force takes it",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      fs.writeFileSync(path.join(folder, "versions/v1.0.0/behaviour"), "500\n");
      await system.components[0]!.runner!.stop(run);
      await system.components[0]!.runner!.start(run);
      for (let tries = 0; tries < 50; tries++) {
        if ((await health(system, undefined, run)).checks.some(({ detail }) => /500/.test(detail)))
          break;
      }
      await assert.rejects(
        install(system, folder, "1.1.0"),
        /check api is bad already|nothing sound/,
      );
      const { outcome } = await install(system, folder, "1.2.0", "good", { force: true });
      assert.equal(outcome, "committed");
    },
  );

  onDevice("a deploy refuses to begin when no way back verifies", async (system, folder) => {
    await install(system, folder, "1.0.0");
    await makeFactory(system, "app", "1.0.0", run);
    await install(system, folder, "1.1.0");
    for (const version of ["1.0.0", "1.1.0"]) {
      const { execFileSync } = await import("node:child_process");
      const release = path.join(folder, "versions", `v${version}`);
      try {
        execFileSync("chattr", ["-R", "-i", release], { stdio: "ignore" });
      } catch {
        // A file system that knows no such thing.
      }
      fs.appendFileSync(path.join(release, "VERSION"), "damaged");
    }
    await assert.rejects(install(system, folder, "1.2.0"), /nothing sound to go back to/);
    assert.equal(links(folder)[0], "v1.1.0");
  });

  const metrics = {
    latency: { http: `http://127.0.0.1:${bakePort}/metrics`, field: "answer_ms", samples: 3 },
  };
  onDevice(
    "a release that became more than ten times slower goes back while it is watched",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const slow = await install(system, folder, "1.1.0", "slow");
      assert.equal(slow.outcome, "rolled-back", slow.error);
      assert.match(slow.error ?? "", /latency is .* times what it was/);
      assert.equal((await install(system, folder, "1.2.0")).outcome, "committed");
    },
    { port: bakePort, component: { bake: { for: "3s", every: "200ms", metrics } } },
  );
});
