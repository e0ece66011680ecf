import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { hasEngine } from "../../test/support/engine.ts";
import { skipWithout } from "../../test/support/servers.ts";
import { newWorld, type World } from "./world.ts";

// Goal: the story of README.md, with a real engine, a real registry and real FAISS, in both ways in
// which RAGGEN is started; and what goes wrong there, each with one clear line.

const skip = skipWithout(hasEngine(), "docker.io, docker-registry and busybox-static");

type Seen = { readonly id: string; readonly startedAt: string; readonly image: string };

/** What people do at such a machine. */
function atMachine(world: () => World) {
  const ended = async (code: number, ...args: string[]): Promise<string> => {
    const { code: got, out } = await world().lastgood(...args);
    assert.equal(got, code, `lastgood ${args.join(" ")}: ${out}`);
    return out;
  };
  const post = async (to: string, body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`http://127.0.0.1:${world().ports.web}${to}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as Record<string, unknown>;
  };
  return {
    ended,
    good: (...args: string[]): Promise<string> => ended(0, ...args),
    chat: (message: string) => post("/api/chat", { message }),
    document: (document: string) => post("/api/documents", { document }),
    async page(): Promise<Record<string, unknown>> {
      const response = await fetch(`http://127.0.0.1:${world().ports.web}/`);
      return (await response.json()) as Record<string, unknown>;
    },
    async seen(service: "web" | "embed"): Promise<Seen> {
      const { engine } = world();
      const id = await engine.docker("ps", "-aq", "--no-trunc", "--filter", `name=${service}`);
      const format = "{{.State.StartedAt}} {{.Image}}";
      const [startedAt = "", image = ""] = (
        await engine.docker("inspect", "--format", format, id)
      ).split(" ");
      return { id, startedAt, image };
    },
  };
}

suite("raggen, by compose", { skip, timeout: 900_000 }, () => {
  let world: World;
  const { ended, good, chat, document, page, seen } = atMachine(() => world);

  before(async () => {
    world = await newWorld("lastgood.yaml");
    for (const version of ["1.0.0", "2.0.0"]) await world.publish("web", version);
    await world.publish("web", "2.1.0", "exits");
    await world.publish("web", "2.2.0", "answers-500");
    for (const version of ["1.0.0", "1.1.0"]) await world.publish("embed", version);
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("takes over what runs already, and touches nothing", async () => {
    for (const service of ["embed", "web"]) {
      const file = path.join(world.root, `docker-compose.${service}.yml`);
      const env = { ...process.env, DOCKER_HOST: world.engine.host };
      const options = { env, cwd: world.root };
      await promisify(execFile)("docker-compose", ["-f", file, "up", "-d", service], options);
    }
    const then = [await seen("web"), await seen("embed")];
    await good("init");
    assert.match(await good("releases", "adopt", "web"), /1\.0\.0: adopted/);
    await good("releases", "adopt", "embed");
    assert.deepEqual([await seen("web"), await seen("embed")], then);
    await good("health");
  });

  test("releases lists what the engine and the registry have, with digests and dates", async () => {
    const listed = await good("releases", "web");
    assert.match(listed, /^1\.0\.0 +current +good +verified +ok /m);
    assert.match(listed, /^1\.0\.0 +engine, registry +sha256:[0-9a-f]{12} +\d{4}-\d\d-\d\dT/m);
    assert.match(listed, /^2\.0\.0 +registry +sha256:[0-9a-f]{12} +\d{4}-\d\d-\d\dT/m);
  });

  test("deploys one service: one key changes, the other service is not touched", async () => {
    await chat("first");
    await chat("second");
    await good("backup");
    const env = await world.env();
    const embed = await seen("embed");
    await good("deploy", "web", "2.0.0");
    assert.equal(await world.env(), env.replace("WEB_VERSION=1.0.0", "WEB_VERSION=2.0.0"));
    assert.deepEqual(await seen("embed"), embed);
    assert.equal((await page())["version"], "2.0.0");
    const digest = (
      await fetch(`http://${world.registry.at}/v2/raggen-web/manifests/2.0.0`, {
        headers: { accept: "application/vnd.docker.distribution.manifest.v2+json" },
      })
    ).headers.get("docker-content-digest");
    const image = await world.engine.docker(
      "image",
      "inspect",
      "--format",
      "{{.Id}}",
      `${world.registry.at}/raggen-web@${digest}`,
    );
    assert.equal((await seen("web")).image, image, "the digest that was asked for runs");
  });

  test("a release that exits, and one that answers 500, go back by themselves", async () => {
    await document("a paper");
    assert.match(await ended(22, "deploy", "web", "2.1.0"), /Cannot find module/);
    assert.equal((await page())["version"], "2.0.0");
    await good("resume", "web");
    assert.match(await ended(22, "deploy", "web", "2.2.0"), /check \w+ is bad/);
    assert.equal((await page())["version"], "2.0.0");
    await good("resume", "web");
  });

  test("trap-16: going back over a breaking migration brings the data back, with one undo", async () => {
    const embed = await seen("embed");
    const plan = await good("rollback", "web", "--to", "1.0.0", "--plan");
    assert.match(plan, /restore-required: 20250601000000_documents breaks/);
    assert.match(plan, /table Document: 1 rows now, no then/);
    assert.match(plan, /Data of \d{4}-/);
    assert.equal((await page())["version"], "2.0.0", "a plan changes nothing");
    const alone = await ended(22, "rollback", "web", "--to", "1.0.0", "--code-only", "--yes");
    assert.match(alone, /the copy from before is put back/);
    assert.equal(await rows("Document"), 1, "what the old image drops at its start is back");
    await good("rollback", "web", "--to", "1.0.0", "--with-data", "--yes");
    assert.deepEqual(await page(), { status: "ok", version: "1.0.0" });
    assert.equal(await rows("Message"), 2);
    assert.deepEqual(await seen("embed"), embed, "the other one was not touched");
    await good("undo", "--yes");
    assert.equal((await page())["version"], "2.0.0");
    assert.equal(await rows("Document"), 1, "nothing of the newer data was lost");
  });

  const rows = async (table: string): Promise<number> => {
    const { DatabaseSync } = await import("node:sqlite");
    using database = new DatabaseSync(path.join(world.root, "data/sqlite/dev.db"), {
      readOnly: true,
    });
    return (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  };

  test("a tag that was given to another image since does not matter", async () => {
    const { engine, registry } = world;
    const name = `${registry.at}/raggen-web`;
    const was = await engine.docker("image", "inspect", "--format", "{{.Id}}", `${name}:1.0.0`);
    await engine.docker("tag", `${name}:2.0.0`, `${name}:1.0.0`);
    await good("rollback", "web", "--to", "1.0.0", "--with-data", "--yes");
    assert.equal((await seen("web")).image, was);
    await good("undo", "--yes");
  });

  test("with the registry down what is here can be gone back to, and what is not stops nothing", async () => {
    const { engine, registry } = world;
    await registry.stop();
    try {
      await engine.docker("rmi", `${registry.at}/raggen-web:1.0.0`);
      await good("rollback", "web", "--to", "1.0.0", "--with-data", "--yes");
      assert.equal((await page())["version"], "1.0.0");
      await good("undo", "--yes");
      const then = await seen("embed");
      const said = await ended(21, "deploy", "embed", "1.1.0");
      assert.match(said, /pull 127\.0\.0\.1:\d+\/raggen-embed:1\.1\.0: .*connection refused/);
      assert.deepEqual(await seen("embed"), then);
      assert.match(await good("releases", "embed"), /1\.0\.0 +engine /);
    } finally {
      await registry.start();
    }
  });

  test("a tag that is not there stops nothing", async () => {
    const then = await seen("web");
    assert.match(
      await ended(21, "deploy", "web", "9.9.9"),
      /9\.9\.9: .*not found|manifest unknown/,
    );
    assert.deepEqual(await seen("web"), then);
  });

  test("a port that is taken goes back, with the reason", async () => {
    await good("stop", "web");
    const thief = http.createServer((_request, response) => response.end("mine"));
    await new Promise<void>((resolve) => thief.listen(world.ports.web, "127.0.0.1", resolve));
    const said = await ended(16, "deploy", "web", "2.2.0", "--force").finally(() => thief.close());
    assert.match(said, /EADDRINUSE/);
    await good("recover");
    assert.equal((await page())["version"], "2.0.0");
    await good("resume", "web").catch(() => {});
  });

  test("two components go back at the same time", async () => {
    await good("deploy", "embed", "1.1.0");
    await Promise.all([
      good("rollback", "embed", "--to", "1.0.0", "--yes"),
      good("rollback", "web", "--to", "1.0.0", "--with-data", "--yes"),
    ]);
    assert.match(await world.env(), /WEB_VERSION=1\.0\.0\nEMBED_VERSION=1\.0\.0/);
    await good("health");
    for (const name of ["web", "embed"]) await good("resume", name);
    // Whoever goes back leaves a release that is not to be chosen by itself.
    await good("releases", "mark", "web", "2.0.0", "good");
    await good("deploy", "web", "2.0.0");
  });

  test("an index that does not fit is refused, with the reason", async () => {
    await good("backup");
    const python = `
import faiss, numpy
index = faiss.IndexFlatL2(768)
index.add(numpy.zeros((3, 768), dtype="float32"))
faiss.write_index(index, "${world.root}/data/faiss/index.faiss")`;
    const file = path.join(world.root, "data/faiss/index.faiss");
    const kept = await readFile(file);
    await promisify(execFile)("/usr/bin/python3", ["-c", python]);
    assert.match(await ended(4, "backup"), /index_dimension_is_768_not_384/);
    await writeFile(file, kept);
    await writeFile(`${file}.json`, '{"model":"bge-small"}');
    assert.match(await ended(4, "backup"), /index_model_is_bge-small_not_all-MiniLM-L6-v2/);
    await writeFile(file, kept.subarray(0, 1000));
    assert.match(await ended(4, "backup"), /index_is_cut/);
    await good("restore", "latest", "--store", "embed/index", "--yes");
    assert.deepEqual(await readFile(file), kept);
    for (const text of ["rows that", "the index of the point", "does not know"]) await chat(text);
    const said = await ended(21, "restore", "latest", "--store", "embed/index", "--yes");
    assert.match(said, /index_has_\d_vectors_for_\d_rows/);
    await good("restore", "latest", "--yes");
    await good("backup");
  });

  test("a power cut in the middle ends whole, and nothing starts before recover has", async () => {
    const { engine } = world;
    const policy = async (): Promise<string> =>
      await engine.docker(
        "inspect",
        "--format",
        "{{.HostConfig.RestartPolicy.Name}}",
        (await seen("web")).id,
      );
    assert.equal(await policy(), "unless-stopped");
    const { version } = await page();
    const main = path.resolve(import.meta.dirname, "../../src/main.ts");
    const config = path.join(world.root, "lastgood.yaml");
    const child = execFile(process.execPath, [
      main,
      "-c",
      config,
      "deploy",
      "web",
      "2.1.0",
      "--force",
    ]);
    const journal = path.join(world.root, "state/gates/web");
    for (let tries = 0; tries < 400; tries++) {
      const state = await readFile(journal).catch(() => undefined);
      const barred = state === undefined ? "" : await policy().catch(() => "");
      if (barred === "no") break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill("SIGKILL");
    await engine.cutPower();
    let running = "";
    for (let tries = 0; tries < 100 && !running.includes("embed"); tries++) {
      running = await engine.docker("ps", "--format", "{{.Names}}");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.doesNotMatch(running, /web/, "it waits for recover");
    assert.match(running, /embed/, "the other one is back by itself");
    await good("recover");
    assert.equal((await page())["version"], version);
    assert.equal(await policy(), "unless-stopped");
    for (let tries = 0; tries < 100; tries++) {
      if ((await world.lastgood("health")).code === 0) break;
    }
    await good("status");
  });

  test("without an engine it is said in one line, and nothing is done", async () => {
    await world.lastgood("resume", "web");
    await world.engine.stop();
    assert.match(await ended(14, "deploy", "web", "3.0.0"), /the engine does not answer/);
    await world.engine.start();
  });

  test("two components that share file and key are a mistake in the configuration", async () => {
    const file = path.join(world.root, "lastgood.yaml");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("EMBED_VERSION", "WEB_VERSION"));
    assert.match(
      await ended(3, "status"),
      /its target, WEB_VERSION in .*\.env, is that of web too/,
    );
    await writeFile(file, text);
  });
});

suite("raggen, by plain containers", { skip, timeout: 600_000 }, () => {
  let world: World;
  const { ended, good, chat, page, seen } = atMachine(() => world);

  before(async () => {
    world = await newWorld("lastgood.docker.yaml");
    for (const version of ["1.0.0", "2.0.0"]) await world.publish("web", version);
    await world.publish("web", "2.1.0", "exits");
    await world.publish("embed", "1.0.0");
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("the first deploy, a good one, a bad one, and back with the data", async () => {
    await good("init");
    await good("deploy", "embed", "1.0.0");
    await good("deploy", "web", "1.0.0");
    await chat("first");
    const embed = await seen("embed");
    await good("deploy", "web", "2.0.0");
    assert.match(await ended(22, "deploy", "web", "2.1.0"), /exit code 1: .*Cannot find module/);
    assert.equal((await page())["version"], "2.0.0");
    await good("rollback", "web", "--to", "1.0.0", "--yes");
    assert.equal((await page())["version"], "1.0.0");
    assert.deepEqual(await seen("embed"), embed);
  });

  test("with the image in the release, a clean-up of everything and no registry are no obstacle", async () => {
    const file = path.join(world.root, "lastgood.yaml");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll("keep: 5 }", "keep: 5, save-images: true }"));
    await good("resume", "web");
    await world.publish("web", "1.2.0");
    await good("deploy", "web", "1.2.0");
    await good("rollback", "web", "--to", "1.0.0", "--force", "--yes");
    await world.registry.stop();
    await world.engine.docker("image", "prune", "--all", "--force");
    const { engine, registry } = world;
    await assert.rejects(engine.docker("image", "inspect", `${registry.at}/raggen-web:1.2.0`));
    await good("resume", "web");
    await good("rollback", "web", "--to", "1.2.0", "--force", "--yes");
    assert.equal((await page())["version"], "1.2.0");
    await world.registry.start();
  });

  test("what was taken away by hand is made again", async () => {
    await world.engine.docker("rm", "-f", "raggen-web");
    assert.match(await ended(1, "health"), /web.*(does not run|there is no container)/);
    await good("start", "web");
    assert.equal((await page())["version"], "1.2.0");
  });
});
