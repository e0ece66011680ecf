import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import { startComponents, stopComponents } from "../src/operations/stop-start.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { skipWithout } from "./support/servers.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a real Redis comes back as it was, also where its append-only file is on, which would have it
// ignore a snapshot.

const skip = skipWithout(existsSync("/usr/bin/redis-server"), "redis-server");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };
const PASSWORD = "a secret";

suite("redis", { skip, timeout: 120_000 }, () => {
  const layouts = {
    "a snapshot only": ["appendonly no"],
    "an append-only file": ["appendonly yes"],
    "other names": [
      "appendonly yes",
      "appenddirname aofs",
      "appendfilename log.aof",
      "dbfilename x.rdb",
    ],
  };
  for (const [name, lines] of Object.entries(layouts)) {
    test(name, async () => {
      await using temporary = await temporaryFolder();
      const [folder, socket] = [
        path.join(temporary.path, "data"),
        path.join(temporary.path, "sock"),
      ];
      await mkdir(folder);
      await writeFile(path.join(temporary.path, "redis.key"), PASSWORD);
      const conf = [
        ...lines,
        "port 0",
        "repl-diskless-sync-delay 0",
        `unixsocket ${socket}`,
        `dir ${folder}`,
        `requirepass "${PASSWORD}"`,
      ];
      const file = path.join(temporary.path, "redis.conf");
      await writeFile(file, conf.join("\n"));
      const redis = { folder, socket, password: { file: "redis.key" } };
      const component = {
        run: { process: ["/usr/bin/redis-server", file] },
        stores: { cache: { redis } },
      };
      using system = await newSystem(temporary.path, component);
      const cli = async (...args: string[]): Promise<string> => {
        const env = { ...process.env, REDISCLI_AUTH: PASSWORD };
        const { stdout } = await promisify(execFile)("redis-cli", ["-s", socket, ...args], { env });
        return stdout.trim();
      };
      await startComponents(system, undefined, "", run);
      try {
        for (let tries = 0; (await cli("PING").catch(() => "")) !== "PONG"; tries++) {
          assert(tries < 100, "it does not answer");
        }
        await cli("SET", "a", "then");
        await cli("RPUSH", "list", "1", "2", "3");
        const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
        assert(valid, [...errors, ...warnings].join());
        assert.deepEqual((await validate(system, stamp, run)).errors, []);
        await cli("SET", "a", "now");
        await cli("DEL", "list");
        await cli("SET", "newer", "1");
        const back = await restore(system, stamp, BACK, run);
        assert.equal(back.outcome, "committed", back.error);
        assert.equal(await cli("GET", "a"), "then");
        assert.equal(await cli("LRANGE", "list", "0", "-1"), "1\n2\n3");
        assert.equal(await cli("EXISTS", "newer"), "0");
        await cli("SET", "b", "after");
        await stopComponents(system, undefined, "", run);
        await startComponents(system, undefined, "", run);
        assert.equal(await cli("GET", "b"), "after", "what was written since the restore is kept");
        assert.equal((await undo(system, undefined, { reason: "" }, run)).outcome, "committed");
        assert.equal(await cli("GET", "a"), "now");
      } finally {
        await stopComponents(system, undefined, "", run);
      }
    });
  }
});
