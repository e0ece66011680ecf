import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { dockerAt } from "../src/engine/docker.ts";
import { containerRunner } from "../src/runners/container.ts";
import type { Runner } from "../src/runners/runner.ts";
import { type Engine, hasEngine, makeImage, startEngine } from "./support/engine.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: containers of lastgood's own, on a real engine: only those, and nothing of theirs is lost.

const skip = skipWithout(hasEngine(), "docker.io, docker-registry and busybox-static");
const run = quietRun();
const SLEEP = ["/bin/busybox", "sleep", "1000"];

suite("containers", { skip, timeout: 120_000 }, () => {
  let engine: Engine;
  before(async () => {
    engine = await startEngine();
    await using temporary = await temporaryFolder();
    const empty = path.join(temporary.path, "empty");
    await mkdir(empty);
    await makeImage(engine, "box:1", empty, ["VOLUME /data"]);
  });
  after(async () => await engine[Symbol.asyncDispose]());

  const runnerIn = (folder: string, name: string, options: readonly string[]): Runner => {
    const docker = dockerAt(engine.host);
    return containerRunner("app", {
      docker,
      name,
      options: ["--network=host", ...options],
      command: SLEEP,
      stopTimeoutMs: 1000,
      gate: path.join(folder, "gate"),
      policyFile: path.join(folder, "policy.json"),
      image: async (inner) => ({
        reference: "box:1",
        id: (await docker.image("box:1", inner))!.id,
      }),
    });
  };
  const policyOf = (name: string): Promise<string> =>
    engine.docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", name);

  test("a name that begins a stranger's id is not that container", async () => {
    await using temporary = await temporaryFolder();
    const stranger = await engine.docker("run", "-d", "--network=host", "box:1", ...SLEEP);
    const runner = runnerIn(temporary.path, stranger.slice(0, 3), []);
    assert(!(await runner.isAlive(run)));
    await runner.start(run);
    assert(await runner.isAlive(run));
    await runner.stop(run);
    assert.equal(await engine.docker("inspect", "-f", "{{.State.Running}}", stranger), "true");
  });

  test("with other options it is made anew, and keeps the data in a volume without a name", async () => {
    await using temporary = await temporaryFolder();
    const first = runnerIn(temporary.path, "kept", []);
    await first.start(run);
    await engine.docker("exec", "kept", "/bin/busybox", "touch", "/data/file");
    await first.stop(run);
    const second = runnerIn(temporary.path, "kept", ["--env=A=1"]);
    await second.start(run);
    assert.equal(await engine.docker("exec", "kept", "/bin/busybox", "ls", "/data"), "file");
  });

  test("while the gate is closed the engine does not start it by itself, also after a power cut", async () => {
    await using temporary = await temporaryFolder();
    const runner = runnerIn(temporary.path, "barred", ["--restart=always"]);
    await runner.start(run);
    assert.equal(await policyOf("barred"), "always");
    await writeFile(path.join(temporary.path, "gate"), "");
    await runner.stop(run);
    assert.equal(await policyOf("barred"), "no");
    await engine.cutPower();
    assert(!(await runner.isAlive(run)), "it waits for recover");
    await runner.start(run);
    assert.equal(await policyOf("barred"), "no");
    await engine.cutPower();
    assert(!(await runner.isAlive(run)), "also once it was started");
    await runner.unbar?.(run);
    assert.equal(await policyOf("barred"), "always");
  });
});
