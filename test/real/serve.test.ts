import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { put } from "../support/files.ts";
import { newSystem } from "../support/system.ts";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: the real service takes the backup that is scheduled, needs little memory, and ends when it is told.

const BIN = path.resolve(import.meta.dirname, "../../bin/lastgood.js");
const IDLE_BYTES_MAX = 130 * 1024 * 1024;

test(
  "lastgood serve backs up when it is time, and stops cleanly",
  { timeout: 180_000 },
  async (t) => {
    await using temporary = await temporaryFolder();
    put(temporary.path, { "files/a": "a" });
    const schedule = { backup: [{ cron: "* * * * *" }] };
    const component = { stores: { files: { folder: "files" } } };
    (await newSystem(temporary.path, component, { schedule }))[Symbol.dispose]();
    const lastgood = async (...args: string[]): Promise<Record<string, unknown>> => {
      const options = { cwd: temporary.path };
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [BIN, ...args, "--json"],
        options,
      );
      const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
        value: Record<string, unknown>;
      };
      return last.value;
    };
    const service = spawn(process.execPath, [BIN, "serve"], {
      cwd: temporary.path,
      stdio: "ignore",
    });
    try {
      const deadline = performance.now() + 90_000;
      while (((await lastgood("points"))["points"] as unknown[]).length === 0) {
        assert(performance.now() < deadline, "no backup was taken");
        await sleep(2000);
      }
      const memory = await readFile(`/proc/${service.pid}/status`, "utf8");
      const bytes = Number(/VmRSS:\s+(\d+) kB/.exec(memory)?.[1]) * 1024;
      t.diagnostic(`${Math.round(bytes / 1e6)} MB after a backup`);
      assert(bytes < IDLE_BYTES_MAX, String(bytes));
    } finally {
      const gone = once(service, "exit");
      service.kill("SIGTERM");
      const [code] = await gone;
      assert.equal(code, 0);
    }
    const { schedule: jobs } = await lastgood("status");
    assert.match(JSON.stringify(jobs), /"succeeded":"2/);
  },
);
