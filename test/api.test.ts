import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { System } from "../src/operations/system.ts";
import { addToken, listTokens } from "../src/operations/tokens.ts";
import { put, testIn, textOf } from "./support/files.ts";
import { ended, type Serving, startServing } from "./support/serving.ts";
import { newSystem } from "./support/system.ts";

// Goal: the service does by HTTP what the command line does, for those who may, and for nobody else;
// whatever it is sent, it answers with what was wrong.

const SERVE = { serve: { listen: "127.0.0.1:0", hosts: ["backup.example"] } };

async function withService(
  folder: string,
  work: (serving: Serving, system: System) => Promise<void>,
  rest: object = {},
): Promise<void> {
  put(folder, { "files/a": "first" });
  const component = { stores: { files: { folder: "files" } } };
  using system = await newSystem(folder, component, { ...SERVE, ...rest });
  await using serving = await startServing(folder, system);
  await work(serving, system);
}

const run = async (
  serving: Serving,
  verb: string,
  body: object = {},
): Promise<ReturnType<typeof ended>> => {
  const { status, value } = await serving.ask(`/api/v1/run/${verb}`, { body });
  assert.equal(status, 202, JSON.stringify(value));
  return await ended(serving, value["id"]);
};

/** Reads events until one fits. */
async function hear(
  serving: Serving,
  headers: Record<string, string>,
  fits: (event: string, data: string) => boolean,
): Promise<{ id: string; heard: string[] }> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 20_000);
  const response = await fetch(`${serving.url}/api/v1/events`, {
    headers: { authorization: `Bearer ${serving.token("read")}`, ...headers },
    signal: stop.signal,
  });
  const heard: string[] = [];
  let text = "";
  let id = "";
  try {
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const field = (name: string): string =>
          new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1] ?? "";
        id = field("id") || id;
        heard.push(block);
        if (fits(field("event"), field("data"))) return { id, heard };
      }
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  throw new Error(`it ended: ${heard.join("\n\n")}`);
}

suite("the API", () => {
  testIn("a backup, a loss, a restore and an undo, by HTTP", async (folder) => {
    await withService(folder, async (serving) => {
      const listening = hear(serving, {}, (_, data) => data.includes('"exit":0'));
      const { value } = await run(serving, "backup", { reason: "by the API" });
      assert.equal(value["valid"], true);
      const { id } = await listening;
      const stamp = String(value["stamp"]);
      writeFileSync(path.join(folder, "files/a"), "second");
      const plan = await serving.ask("/api/v1/plan/restore", { body: { point: stamp } });
      assert.equal(plan.status, 200);
      assert.equal(plan.value["stamp"], stamp);
      assert.match(JSON.stringify(plan.value["steps"]), /active app\/files/);
      assert.equal(textOf(folder, "files/a"), "second");
      assert.equal((await run(serving, "restore", { point: stamp })).value["outcome"], "committed");
      assert.equal(textOf(folder, "files/a"), "first");
      const since = await hear(serving, { "last-event-id": id }, (_, data) =>
        data.includes('"exit":0'),
      );
      assert.match(since.heard.join(), /step.finished/, "what happened meanwhile was heard");
      assert.equal((await run(serving, "undo")).value["outcome"], "committed");
      assert.equal(textOf(folder, "files/a"), "second");
      const { value: history } = await serving.ask("/api/v1/operations");
      const [undone] = history["operations"] as { kind: string; who: string }[];
      assert.deepEqual([undone?.kind, undone?.who], ["undo", "test-admin"]);
      const home = (await serving.ask("/api/v1/home")).value;
      assert.match(
        String(home["sentence"]),
        /^You can bring test back to \d\d:\d\d today \(\d+ s lost\)/,
      );
      const lost = await hear(
        serving,
        { "last-event-id": "no.such" },
        (event) => event === "reset",
      );
      assert.match(lost.heard[0]!, /^event: reset/);
    });
  });

  testIn("whoever has no token, or not enough of one, gets nothing", async (folder) => {
    await withService(folder, async (serving, system) => {
      const status = async (at: string, options: object): Promise<number> =>
        (await serving.ask(at, options)).status;
      for (const at of ["/api/v1/home", "/api/v1/events", "/metrics", "/api/v1/runs"]) {
        assert.equal(await status(at, { scope: "none" }), 401, at);
        const headers = { authorization: `Bearer ${serving.token("read")}x` };
        assert.equal(await status(at, { scope: "none", headers }), 401, at);
        assert.equal(await status(`${at}?token=${serving.token("admin")}`, { scope: "none" }), 401);
      }
      assert.equal(await status("/api/v1/run/backup", { scope: "read", body: {} }), 403);
      assert.equal(
        await status("/api/v1/run/restore", { scope: "backup", body: { point: "latest" } }),
        403,
      );
      assert.equal(await status("/api/v1/run/prune", { scope: "operate", body: {} }), 403);
      assert.equal(await status("/api/v1/home", { scope: "read" }), 200);
      const over = (await addToken(system, "over", "admin", -1000)).token;
      const headers = { authorization: `Bearer ${over}` };
      assert.equal(await status("/api/v1/home", { scope: "none", headers }), 401, "it has expired");
      assert.doesNotMatch(
        textOf(system.paths.state, "tokens.json"),
        new RegExp(serving.token("admin")),
      );
      assert.doesNotMatch(serving.printed(), /lg_/);
    });
  });

  testIn("no page of another origin, and no name that is not ours", async (folder) => {
    await withService(folder, async (serving) => {
      const { ask, url } = serving;
      const login = await fetch(`${url}/api/v1/session`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: serving.token("operate") }),
      });
      const cookie = login.headers.get("set-cookie") ?? "";
      assert.match(cookie, /HttpOnly/);
      assert.match(cookie, /SameSite=Strict/);
      const own = { cookie: cookie.split(";")[0]! };
      assert.equal(
        (await ask("/api/v1/session", { scope: "none", headers: own })).value["scope"],
        "operate",
      );
      const from = async (origin: string): Promise<number> => {
        const headers = { ...own, origin };
        return (await ask("/api/v1/run/backup", { scope: "none", body: {}, headers })).status;
      };
      assert.equal(await from("https://evil.example"), 403);
      assert.equal(await from("null"), 403);
      assert.equal(await from(url), 202);
      const named = async (host: string): Promise<number> => {
        // fetch sets Host itself.
        const { request } = await import("node:http");
        return await new Promise((resolve, reject) => {
          request(`${url}/api/v1/home`, { headers: { ...own, host } }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          })
            .on("error", reject)
            .end();
        });
      };
      assert.equal(await named("evil.example"), 421);
      assert.equal(await named("backup.example"), 200);
      assert.equal(await named("localhost:1"), 200);
      const page = await fetch(url);
      assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
    });
  });

  testIn("whatever is sent, the answer says what was wrong", async (folder) => {
    await withService(folder, async (serving, system) => {
      const { value: api } = await serving.ask("/openapi.json");
      const paths = Object.entries(api["paths"] as Record<string, Record<string, Operation>>);
      assert(paths.length > 40);
      let asked = 0;
      for (const [at, methods] of paths.filter(([one]) => !one.endsWith("/events"))) {
        for (const [method, operation] of Object.entries(methods)) {
          for (const wrong of wrongFor(at, operation)) {
            const { status, type, value } = await serving.ask(wrong.at, {
              method: method.toUpperCase(),
              ...wrong,
            });
            const what = `${method} ${wrong.at} ${JSON.stringify(wrong.body)}: ${status}`;
            assert(status >= 400 && status < 500, what);
            assert.match(type, /^application\/problem\+json/, what);
            assert.equal(value["status"], status, what);
            asked++;
          }
        }
      }
      assert(asked > 300, `${asked} requests`);
      for (const [method, at, expected] of [
        ["PUT", "/api/v1/points", 405],
        ["POST", "/api/v1/home", 405],
        ["DELETE", "/api/v1/points/some", 405],
        ["GET", "/api/v1/nothing", 404],
        ["GET", "/admin/backup", 404],
      ] as const) {
        const { status, type } = await serving.ask(at, { method });
        assert.deepEqual([status, type], [expected, "application/problem+json"], `${method} ${at}`);
      }
      const long = await serving.ask("/api/v1/run/backup", {
        body: { reason: "x".repeat(300_000) },
      });
      assert.equal(long.status, 413);
      const header = { "x-long": "x".repeat(20_000) };
      assert.equal((await serving.ask("/api/v1/home", { headers: header })).status, 431);
      assert.equal(system.journal.history(10).length, 0, "nothing of it was done");
      assert.equal((await serving.ask("/api/v1/home")).status, 200);
    });
  });

  testIn(
    "who only looks whether there are events keeps nobody from hearing them",
    async (folder) => {
      await withService(folder, async (serving) => {
        const headers = { authorization: `Bearer ${serving.token("read")}` };
        for (let asked = 0; asked < 210; asked++) {
          const url = `${serving.url}/api/v1/events`;
          assert.equal((await fetch(url, { method: "HEAD", headers })).status, 200);
        }
        const { heard } = await hear(serving, {}, (event) => event === "hello");
        assert.equal(heard.length, 1);
      });
    },
  );

  testIn("a configuration that is changed is used, one that is broken is told", async (folder) => {
    await withService(folder, async (serving, system) => {
      const file = path.join(folder, "lastgood.yaml");
      const text = textOf(file);
      const until = async (what: RegExp): Promise<void> => {
        const deadline = performance.now() + 20_000;
        while (!what.test(serving.printed())) {
          assert(performance.now() < deadline, serving.printed());
          await sleep(100);
        }
      };
      writeFileSync(file, `${text}colour: red\n`);
      await until(/colour.*it looks on as before/);
      assert.equal((await serving.ask("/api/v1/home")).status, 200);
      const port = new URL(serving.url).port;
      const changed = text.replace("127.0.0.1:0", `127.0.0.1:${port}`);
      writeFileSync(file, `${changed}objectives: { data-loss: 1h }\n`);
      await until(/was changed: it begins again with it/);
      const deadline = performance.now() + 20_000;
      for (;;) {
        const { value } = await serving.ask("/api/v1/home").catch(() => ({ value: {} }));
        if (JSON.stringify(value).includes('"objectiveMs":3600000')) break;
        assert(performance.now() < deadline, serving.printed());
        await sleep(200);
      }
      assert.equal(system.journal.history(1).length, 0);
    });
  });

  testIn("tokens that are made at once are all there", async (folder) => {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } }, SERVE);
    const names = Array.from({ length: 12 }, (_, at) => `n${at}`);
    await Promise.all(names.map(async (name) => await addToken(system, name, "read", undefined)));
    const kept = (await listTokens(system)).map(({ name }) => name);
    assert.deepEqual(kept.toSorted(), names.toSorted());
  });

  testIn(
    "a service that is killed leaves its command to end by itself, and knows of it",
    async (folder) => {
      put(folder, { "big/a": "x".repeat(1_000_000) });
      await withService(folder, async (serving, system) => {
        const { value } = await serving.ask("/api/v1/run/backup", { body: {} });
        assert.equal(typeof value["id"], "string");
        await serving.kill("SIGKILL");
        const deadline = performance.now() + 20_000;
        while (system.journal.history(1).length === 0) {
          assert(performance.now() < deadline, "the backup never ended");
          await sleep(100);
        }
        const [backup] = system.journal.history(1);
        assert.deepEqual([backup?.kind, backup?.outcome], ["backup", "committed"]);
      });
    },
  );
});

type Operation = {
  readonly parameters?: readonly { name: string; in: string; schema: Schema }[];
  readonly requestBody?: { content: { "application/json": { schema: Schema } } };
};

type Schema = {
  readonly type?: string;
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
};

const NOT_A: Record<string, readonly unknown[]> = {
  string: [7, {}, [], null, "-flag", "\u0000", "../../etc/passwd", ""],
  boolean: ["yes", 1, {}],
  integer: ["7", 1.5, -1, 1e9],
  array: ["x", {}, [{}]],
};

/** What the description does not allow, made from it. */
function wrongFor(
  at: string,
  { parameters = [], requestBody }: Operation,
): { at: string; body?: unknown }[] {
  const filled = at.replaceAll(/\{\w+\}/g, "20260101T000000Z");
  const wrong: { at: string; body?: unknown }[] = [];
  for (const { name, in: where, schema } of parameters) {
    if (where === "path") {
      const bad = ["%2e%2e%2f", "a%00b", "x".repeat(300), "%F0%9F%92%A5"];
      wrong.push(...bad.map((one) => ({ at: at.replaceAll(/\{\w+\}/g, one) })));
    } else if (schema.type === "integer") {
      wrong.push(...["x", "1.5", "-1", "1e99"].map((one) => ({ at: `${filled}?${name}=${one}` })));
    }
  }
  if (requestBody === undefined) {
    return [...wrong, { at: `${filled}?unknown=1` }].map((one) => (at.includes("{") ? one : one));
  }
  const { properties = {}, required = [] } = requestBody.content["application/json"].schema;
  const bodies: unknown[] = ["{", "", "[]", "null", '"x"', { unknown: 1 }, { __proto__x: 1 }];
  if (required.length > 0) bodies.push({});
  for (const [name, { type = "string" }] of Object.entries(properties)) {
    const valid = Object.fromEntries(required.map((one) => [one, "20260101T000000Z"]));
    for (const value of NOT_A[type] ?? []) {
      const isFine =
        type === "string" &&
        isPlain(name) &&
        ["", "\u0000", "../../etc/passwd"].includes(value as string);
      if (!isFine) bodies.push({ ...valid, [name]: value });
    }
  }
  const isRunning = /\/incidents/.test(at);
  return [...wrong, ...bodies.map((body) => ({ at: filled, body }))].filter(
    ({ body }) =>
      !(isRunning && typeof (body as Record<string, unknown>)?.["summary"] === "string"),
  );
}

/** People's words may be any. */
const isPlain = (name: string): boolean =>
  ["reason", "summary", "rootCause", "resolution", "impact", "prevention"].includes(name);
