import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "node:test";
import { put, testIn, textOf } from "./support/files.ts";
import { startUntil } from "./support/killed.ts";
import { systemWithPoint } from "./support/system.ts";

// Goal: who asks a real process to stop is heard, also by way of an older Node that has started it.

const FILES = { files: { folder: "files" } };

suite("signals", () => {
  /** Two that wait to be told would be told as one. */
  const twice = async (child: ChildProcess): Promise<void> => {
    child.kill("SIGINT");
    await sleep(20);
    child.kill("SIGINT");
  };
  const signals: Readonly<Record<string, (child: ChildProcess) => Promise<unknown>>> = {
    "two signals at once stop": twice,
    "SIGINT stops": async (child) => child.kill("SIGINT"),
    "SIGTERM stops": async (child) => child.kill("SIGTERM"),
  };
  const old = `Object.defineProperty(process.versions, "node", { value: "20.20.2" })`;
  const olderNode = ["--import", `data:text/javascript,${encodeURIComponent(old)}`];
  for (const [how, tell] of Object.entries(signals)) {
    for (const [node, options] of Object.entries({
      "": [],
      ", told by an older Node": olderNode,
    })) {
      testIn(`${how} a restore in order${node}`, async (folder) => {
        put(folder, { "files/a": "old" });
        // After the switch the first check waits, as long as the test is there.
        const waits = "test ! -e w || while test -e key; do sleep 0.05; done";
        const checks = { c: { command: ["sh", "-c", waits], timeout: "3s" } };
        const app = { stores: FILES, checks, verify: { "healthy-for": "50ms" } };
        using system = await systemWithPoint(folder, app);
        put(folder, { "files/a": "new", w: "" });
        const args = ["restore", "latest", "--yes"];
        using child = await startUntil(folder, args, "healthy app", options);
        await tell(child);
        const [code] = (await once(child, "close")) as [number | null];
        assert.equal(code, 22);
        assert.deepEqual(system.journal.unfinished(), []);
        assert.equal(textOf(folder, "files/a"), "new");
      });
    }
  }

  testIn("who waits for what never comes ends at the second signal", async (folder) => {
    put(folder, { "files/a": "old" });
    using _system = await systemWithPoint(folder, { stores: FILES });
    fs.rmSync(path.join(folder, "key"));
    execFileSync("mkfifo", [path.join(folder, "key")]);
    const bin = path.resolve(import.meta.dirname, "../bin/lastgood.js");
    using child = spawn(process.execPath, [bin, "points"], { cwd: folder, stdio: "ignore" });
    const ended = once(child, "close", { signal: AbortSignal.timeout(20_000) });
    // By then it reads the key, which nobody writes.
    await sleep(3000);
    child.kill("SIGINT");
    // One that comes sooner would be the same signal.
    await sleep(1500);
    assert.equal(child.signalCode, null, "it waits");
    child.kill("SIGINT");
    assert.deepEqual(await ended, [null, "SIGINT"]);
  });

  testIn("an older Node tells of an end by a signal as a shell does", async (folder) => {
    put(folder, { "files/a": "old" });
    const checks = { c: { command: ["sh", "-c", "sleep 3"], timeout: "3s" } };
    using _system = await systemWithPoint(folder, { stores: FILES, checks });
    const args = ["restore", "latest", "--yes"];
    using child = await startUntil(folder, args, "healthy app", olderNode);
    const below = textOf(`/proc/${child.pid}/task/${child.pid}/children`).trim().split(" ");
    assert.equal(below.length, 1, "it has started one program");
    process.kill(Number(below[0]), "SIGKILL");
    assert.equal((await once(child, "close"))[0], 137);
  });
});
