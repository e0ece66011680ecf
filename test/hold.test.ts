import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode } from "../src/base/errors.ts";
import { freeze } from "../src/base/freeze.ts";
import { backup } from "../src/operations/backup.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import type { System } from "../src/operations/system.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a folder of several files that belong together is captured at one moment, whichever way its
// application is held, and the application is let go whatever happens.

const run = quietRun();
const NOW = { include: [], reason: "" };

/** Writes the same number into two files, one after the other, without pause. */
const WRITER = `const fs = require("node:fs"); let n = 0; const dir = process.argv[1];
  const go = () => { n++;
    fs.writeFileSync(dir + "/a.tmp", String(n)); fs.renameSync(dir + "/a.tmp", dir + "/a");
    const until = performance.now() + 3; while (performance.now() < until);
    fs.writeFileSync(dir + "/b.tmp", String(n)); fs.renameSync(dir + "/b.tmp", dir + "/b");
    setImmediate(go); }; go();`;

async function startWriter(folder: string): Promise<ChildProcess> {
  await mkdir(folder, { recursive: true });
  const writer = spawn(process.execPath, ["-e", WRITER, folder], { stdio: "ignore" });
  while (!existsSync(path.join(folder, "b"))) await sleep(10);
  return writer;
}

async function pairIn(system: System, stamp: string): Promise<[number, number]> {
  const point = (await listPoints(system, run)).find((p) => p.stamp === stamp)!;
  return await (
    await system.repository(run)
  ).read(point.snapshot, run, async (reader) => [
    Number(await reader.read("stores/app/files/files/a")),
    Number(await reader.read("stores/app/files/files/b")),
  ]);
}

function stateOf(pid: number): string {
  return /State:\s+(\w)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
}

suite("holding", () => {
  test("trap-23: frozen for a copy, the parts are of one moment, and the process goes on", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    const writer = await startWriter(path.join(folder, "files"));
    try {
      await writeFile(path.join(folder, "pid"), String(writer.pid));
      const hold = { freeze: { "pid-file": "pid" } };
      using system = await newSystem(folder, { stores: { files: { folder: "files", hold } } });
      for (let round = 0; round < 6; round++) {
        const { stamp, valid } = await backup(system, NOW, run);
        assert(valid);
        const [a, b] = await pairIn(system, stamp);
        // Between the two writes of a pair it may be frozen too: then a is one ahead, never more.
        assert(a - b === 0 || a - b === 1, `a is ${a}, b is ${b}`);
        assert.notEqual(stateOf(writer.pid!), "T", "it is still frozen");
      }
      assert.deepEqual(readdirSync(path.join(folder, ".lastgood", "tmp", "app-files")), []);
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "close");
    }
  });

  test("a frozen process is thawed at the limit by somebody else", async () => {
    const sleeper = spawn("sleep", ["30"], { stdio: "ignore" });
    try {
      const frozen = await freeze(sleeper.pid!, 300);
      assert.equal(stateOf(sleeper.pid!), "T");
      for (let tries = 0; tries < 50 && stateOf(sleeper.pid!) === "T"; tries++) await sleep(50);
      assert.notEqual(stateOf(sleeper.pid!), "T");
      assert(frozen.isLate());
      frozen[Symbol.asyncDispose]();
    } finally {
      sleeper.kill("SIGKILL");
      await once(sleeper, "close");
    }
  });

  test("two commands, two calls, a stop: taken before the copy, given back after it", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "files"));
    await writeFile(path.join(folder, "files", "a"), "a");
    const log = path.join(folder, "log");
    const say = (word: string): string[] => ["sh", "-c", `echo ${word} >> ${log}`];
    const server = createServer((request, response) => {
      execFileSync("sh", ["-c", `echo ${request.url} >> ${log}`]);
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    writeFileSync(path.join(folder, "running"), "");
    const control = {
      start: ["sh", "-c", `touch ${folder}/running; echo start >> ${log}`],
      stop: ["sh", "-c", `rm ${folder}/running; echo stop >> ${log}`],
      alive: ["test", "-e", `${folder}/running`],
    };
    const holds = [
      { hold: { command: { acquire: say("take"), release: say("give") } }, said: "take give" },
      { hold: { http: { acquire: `${url}/take`, release: `${url}/give` } }, said: "/take /give" },
      { hold: { stop: true }, said: "stop start" },
    ];
    try {
      for (const [index, { hold, said }] of holds.entries()) {
        writeFileSync(log, "");
        using system = await newSystem(path.join(folder, String(index)), {
          run: { command: control },
          stores: { one: { folder: "../files", hold } },
        });
        assert((await backup(system, NOW, run)).valid);
        assert.equal(readFileSync(log, "utf8").trim().replaceAll("\n", " "), said);
      }
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test("a lock file of somebody else is waited for, not broken", async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    await mkdir(path.join(folder, "files"));
    await writeFile(path.join(folder, "files", "a"), "a");
    await writeFile(path.join(folder, "lock"), "{}");
    const hold = { "lock-file": "lock" };
    using system = await newSystem(folder, { stores: { files: { folder: "files", hold } } });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 500);
    await assert.rejects(backup(system, NOW, quietRun(stop.signal)), { name: "AbortError" });
    assert.equal(readFileSync(path.join(folder, "lock"), "utf8"), "{}");
    await assert.rejects(
      backup(system, NOW, quietRun(AbortSignal.timeout(300))),
      (error) => !hasCode(error, "CORRUPT"),
    );
  });
});
