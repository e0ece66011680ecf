import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openCollection } from "../../examples/atocore/chroma-client.ts";
import { backup } from "../../src/operations/backup.ts";
import { restore } from "../../src/operations/restore.ts";
import { skipWithout } from "../support/servers.ts";
import { newSystem } from "../support/system.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: trap 23: whichever way Chroma is held for the copy, frozen or stopped, what is restored opens
// in the real server, and each id has its document, while somebody adds without pause.

const run = quietRun();
const root = path.resolve(import.meta.dirname, "../..");
const chroma = path.join(root, ".servers/node_modules/.bin/chroma");
const skip = skipWithout(existsSync(chroma), "chroma (in .servers, by .ci/run)");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Chroma as a component: started and stopped by the commands that a configuration names. */
async function controlOf(folder: string, port: number): Promise<Record<string, string[]>> {
  const script = path.join(folder, "control.sh");
  const data = path.join(folder, "chroma");
  writeFileSync(
    script,
    `case "$1" in
      start) "${chroma}" run --path "${data}" --port ${port} --host 127.0.0.1 >/dev/null 2>&1 &
        echo $! > "${folder}/pid" ;;
      stop) kill -9 "$(cat "${folder}/pid")" ;;
      alive) test -s "${folder}/pid" && grep -qv "^[0-9]* (.*) Z" "/proc/$(cat "${folder}/pid")/stat" 2>/dev/null ;;
    esac`,
  );
  return Object.fromEntries(["start", "stop", "alive"].map((verb) => [verb, ["sh", script, verb]]));
}

async function waitUntilUp(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const url = `http://127.0.0.1:${port}/api/v2/heartbeat`;
    const isUp = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) return;
    await sleep(100);
  }
  throw new Error("chroma does not answer");
}

/** Adds documents until told to stop; what fails while the server is held is tried again. */
function startAdding(port: number): { stop(): Promise<void> } {
  const state = { isAdding: true };
  const loop = async (): Promise<void> => {
    for (let i = 0; state.isAdding && i < 3000; i++) {
      try {
        const collection = await openCollection(port, "notes");
        await collection.add([`id${i}`, `other${i}`], [`document ${i}`, `another one ${i}`]);
      } catch {
        // Stopped for the copy.
        await sleep(20);
      }
    }
  };
  const done = loop();
  return {
    stop() {
      state.isAdding = false;
      return done;
    },
  };
}

const HOLDS: Record<string, object> = {
  frozen: { freeze: { "pid-file": "pid", limit: "5s" } },
  stopped: { stop: true },
};

suite("chroma", { skip }, () => {
  for (const [name, hold] of Object.entries(HOLDS)) {
    test(`trap-23: ${name} for the copy, every id has its document afterwards`, async () => {
      await using temporary = await temporaryFolder();
      const folder = temporary.path;
      const port = await freePort();
      mkdirSync(path.join(folder, "chroma"));
      const command = await controlOf(folder, port);
      using system = await newSystem(folder, {
        run: { command },
        stores: { vectors: { chroma: "chroma", hold } },
      });
      const [component] = system.components;
      const kill = (): void => {
        if (existsSync(path.join(folder, "pid"))) {
          process.kill(Number(readFileSync(path.join(folder, "pid"), "utf8")), "SIGKILL");
        }
      };
      try {
        await component!.runner!.start(run);
        await waitUntilUp(port);
        const adding = startAdding(port);
        await sleep(1500);
        const { valid, stamp, errors } = await backup(system, { include: [], reason: "" }, run);
        await waitUntilUp(port);
        assert(valid, errors.join());
        await adding.stop();
        const result = await restore(system, stamp, { reason: "", force: false }, run);
        assert.equal(result.outcome, "committed", result.error);
        await waitUntilUp(port);
        const { ids, documents } = await (await openCollection(port, "notes")).all();
        assert(ids.length > 0, "nothing was in the point: this test proves nothing");
        assert.equal(documents.filter((text) => text === null).length, 0, "ids without documents");
        const collection = await openCollection(port, "notes");
        const found = await collection.query("another one 3", 5);
        assert(found.ids.length > 0 && found.documents.every((text) => text !== null));
      } finally {
        kill();
      }
    });
  }
});
