import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../src/base/clock.ts";
import { serve } from "../src/http/serve.ts";
import { stopComponents } from "../src/operations/stop-start.ts";
import { freePort } from "./support/releases.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";
import { zipOf } from "./support/zip.ts";

// Goal: the updater's own interface answers in the shapes and with the codes that its fleet knows,
// does one thing at a time, and is never stuck.
// Method: lastgood serve on loopback with a real service, and a small server that has packages.

const run = quietRun();
const SERVICE = path.resolve(import.meta.dirname, "../examples/tope/services/device-api.mjs");

type Answer = { code: number; msg: string; data: { stage: string; error: string | null } | null };

type Fleet = {
  readonly folder: string;
  readonly clock: { now: Date };
  readonly get: (what: string) => Promise<Answer>;
  readonly post: (
    what: string,
    body: unknown,
    headers?: object,
  ) => Promise<Answer & { status: number }>;
  /** What is asked for a version whose package is offered. */
  readonly offer: (version: string, content?: Buffer) => Record<string, unknown>;
  readonly until: (stage: string) => Promise<Answer>;
  readonly reports: string[];
  readonly warnings: string[];
  /** Stops serving, and begins again. */
  readonly restart: () => Promise<void>;
};

function packageOf(folder: string, version: string, behaviour = "good"): Buffer {
  const modules = [
    { name: "api", src: "device-api", dst: `${folder}/bin/device-api`, process_name: "api" },
    { name: "behaviour", src: "behaviour", dst: `${folder}/behaviour` },
  ];
  return zipOf([
    { name: "manifest.json", content: JSON.stringify({ version, modules }) },
    { name: "device-api", content: fs.readFileSync(SERVICE) },
    { name: "behaviour", content: behaviour },
  ]);
}

function onFleet(name: string, work: (fleet: Fleet) => Promise<void>): void {
  test(name, { timeout: 120_000 }, async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const [port, own] = [await freePort(), await freePort()];
    const packages = new Map<string, Buffer>();
    const reports: string[] = [];
    const server = createServer((request, response) => {
      if (request.method === "GET") return response.end(packages.get(request.url ?? ""));
      let body = "";
      request.on("data", (part) => (body += String(part)));
      request.on("end", () => {
        reports.push((JSON.parse(body) as { stage: string }).stage);
        response.end(JSON.stringify({ code: 200, msg: "success", data: null }));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const component = {
      target: {
        folder: "versions",
        "hold-after-rollback": false,
        "package-hosts": [new URL(base).host],
      },
      run: {
        process: ["node", path.join(folder, "versions/current/bin/device-api")],
        env: { DEVICE_API_PORT: String(port), PATH: path.dirname(process.execPath) },
      },
      checks: { api: { http: `http://127.0.0.1:${port}/health`, timeout: "500ms" } },
      verify: { "healthy-for": "200ms", deadline: "5s" },
    };
    const clock = { now: new Date() };
    const updater = {
      component: "app",
      listen: `127.0.0.1:${own}`,
      auth: "none",
      report: `${base}/report`,
    };
    const ticking: Clock = { now: () => clock.now };
    using system = await newSystem(folder, component, { updater, serve: ANY_PORT }, ticking);
    const warnings: string[] = [];
    let stop = new AbortController();
    const begin = (): Promise<unknown> => {
      const report: typeof run.report = (event) =>
        void (event.type === "warning" && warnings.push(event.message));
      return serve(system, { version: "1", program: [] }, { signal: stop.signal, report });
    };
    let served = begin();
    const api = `http://127.0.0.1:${own}/api/v1.0`;
    const get = async (what: string): Promise<Answer> =>
      (await (await fetch(`${api}/${what}`)).json()) as Answer;
    const fleet: Fleet = {
      folder,
      clock,
      get,
      reports,
      warnings,
      async restart() {
        stop.abort();
        await served;
        stop = new AbortController();
        served = begin();
      },
      async post(what, body, headers = {}) {
        const text = typeof body === "string" ? body : JSON.stringify(body);
        const response = await fetch(`${api}/${what}`, {
          method: "POST",
          body: text,
          headers: { "content-type": "application/json", ...headers },
        });
        return { ...((await response.json()) as Answer), status: response.status };
      },
      offer(version, content = packageOf(folder, version)) {
        packages.set(`/${version}.zip`, content);
        return {
          version,
          package_url: `${base}/${version}.zip`,
          package_name: `${version}.zip`,
          package_size: content.length,
          package_md5: createHash("md5").update(content).digest("hex"),
        };
      },
      async until(stage) {
        const deadline = performance.now() + 30_000;
        for (;;) {
          const now = await get("progress");
          if (now.data?.stage === stage) return now;
          assert(performance.now() < deadline, `${now.data?.stage}, not ${stage}: ${now.msg}`);
          await sleep(50);
        }
      },
    };
    try {
      for (let tries = 0; tries < 50; tries++) {
        if ((await fetch(`http://127.0.0.1:${own}/`).catch(() => undefined)) !== undefined) break;
        await sleep(50);
      }
      await work(fleet);
    } finally {
      stop.abort();
      await served;
      await stopComponents(system, undefined, "", run).catch(() => {});
      server.close();
    }
  });
}

const isFactory = (line: string): boolean =>
  /the factory release 1\.0\.0 is damaged: it has no manifest/.test(line);

/** That of the console is not what is tested here. */
const ANY_PORT = { listen: "127.0.0.1:0" };

suite("the updater's interface", () => {
  onFleet("downloads, updates, reports and goes back", async (fleet) => {
    const { post, until, offer, reports } = fleet;
    const success = { code: 200, msg: "success", data: null, status: 200 };
    assert.deepEqual(await post("download", offer("1.0.0")), success);
    await until("toInstall");
    assert.deepEqual(await post("update", { version: "1.0.0" }), success);
    await until("success");
    const bad = offer("1.1.0", packageOf(fleet.folder, "1.1.0", "exit"));
    // Success is told a moment before the next one may begin.
    while ((await post("download", bad)).code === 409) await sleep(50);
    await until("toInstall");
    await post("update", { version: "1.1.0" });
    await until("failed");
    let said = await fleet.get("progress");
    for (let tries = 0; tries < 50 && !said.msg.includes("completed"); tries++) {
      await sleep(100);
      said = await fleet.get("progress");
    }
    assert.equal(said.code, 500);
    assert.match(
      said.msg,
      /^Update failed: UPDATE_FAILED: DEPLOYMENT_FAILED: .*\nRollback completed\.$/s,
    );
    assert.equal(fs.readlinkSync(path.join(fleet.folder, "versions/current")), "v1.0.0");
    for (let tries = 0; tries < 50 && reports.at(-1) !== "failed"; tries++) await sleep(200);
    const order = reports.filter((stage, at) => stage !== reports[at - 1]);
    const stages = ["downloading", "verifying", "toInstall", "installing", "rebooting", "success"];
    assert.deepEqual(order.slice(0, 6), stages);
    assert.equal(order.at(-1), "failed");
  });

  onFleet("a damaged factory release is found without being needed", async (fleet) => {
    const versions = path.join(fleet.folder, "versions");
    fs.mkdirSync(path.join(versions, "v1.0.0"), { recursive: true });
    fs.symlinkSync("v1.0.0", path.join(versions, "factory"));
    await fleet.restart();
    for (let tries = 0; tries < 50 && !fleet.warnings.some(isFactory); tries++) await sleep(100);
    assert(fleet.warnings.some(isFactory), fleet.warnings.join());
  });

  onFleet(
    "six updates at once: one begins, and the others are told",
    async ({ post, offer, until }) => {
      await post("download", offer("1.0.0"));
      await until("toInstall");
      const all = await Promise.all(
        Array.from({ length: 6 }, () => post("update", { version: "1.0.0" })),
      );
      assert.deepEqual(
        all.map(({ code }) => code).toSorted((a, b) => a - b),
        [200, 409, 409, 409, 409, 409],
      );
      await until("success");
    },
  );

  onFleet("what cannot be is answered with its code, and the next one works", async (fleet) => {
    const { post, offer, until, clock } = fleet;
    const asked = offer("1.0.0");
    const WRONG: readonly (readonly [unknown, number])[] = [
      ["{", 400],
      [{}, 400],
      [{ ...asked, version: "../1" }, 400],
      [{ ...asked, version: "1".repeat(200) + ".0.0" }, 400],
      [{ ...asked, package_url: "file:///etc/passwd" }, 400],
      [{ ...asked, package_size: -1 }, 400],
      ["x".repeat(70_000), 400],
    ];
    for (const [body, code] of WRONG) {
      const said = await post("download", body);
      assert.deepEqual([said.status, said.code], [200, code], JSON.stringify(body).slice(0, 80));
    }
    const origin = await post("download", asked, { origin: "http://evil.example" });
    assert.equal(origin.status, 403);
    assert.equal((await post("update", { version: "1.0.0" })).code, 404);
    assert.equal((await fleet.get("nothing")).code, 404);

    await post("download", { ...asked, package_md5: "0".repeat(32) });
    assert.match((await until("failed")).data?.error ?? "", /^MD5_MISMATCH: expected 0{32}, got /);
    await post("download", { ...asked, package_size: 10 });
    assert.match((await until("failed")).data?.error ?? "", /^PACKAGE_SIZE_MISMATCH/);

    await post("download", asked);
    await until("toInstall");
    clock.now = new Date(Date.now() + 25 * 3_600_000);
    assert.equal((await post("update", { version: "1.0.0" })).code, 410);
    clock.now = new Date();
    assert.equal((await post("update", { version: "1.0.0" })).code, 200);
    await until("success");
    assert.equal((await post("download", asked)).code, 409);
  });
});
