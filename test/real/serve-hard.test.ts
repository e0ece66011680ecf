import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { lockComponents } from "../../src/operations/operation-lock.ts";
import { put } from "../support/files.ts";
import { freePort } from "../support/releases.ts";
import { ended, startServing } from "../support/serving.ts";
import { newSystem } from "../support/system.ts";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: a slow repository, a full disk and somebody else's work stop no more than what needs them.

const SERVE = { serve: { listen: "127.0.0.1:0" } };
const COMPONENT = { stores: { files: { folder: "files" } } };
const QUICK_MS = 300;

test("while the repository does not answer, the service does", { timeout: 60_000 }, async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  put(folder, { "files/a": "a" });
  const password = { command: ["sh", "-c", `sleep 4; cat ${folder}/key`] };
  const repository = { at: "repository", password };
  using system = await newSystem(folder, COMPONENT, { ...SERVE, repository });
  await using serving = await startServing(folder, system);
  const { value } = await serving.ask("/api/v1/run/backup", { body: {} });
  for (const page of ["home", "points", "operations", "timeline", "runs"]) {
    const begun = performance.now();
    assert.equal((await serving.ask(`/api/v1/${page}`)).status, 200);
    assert(performance.now() - begun < QUICK_MS, page);
  }
  assert.equal((await ended(serving, value["id"])).exit, 0);
});

test("on a full disk it says so, and goes on once there is room", { timeout: 90_000 }, async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  const state = path.join(folder, "state");
  mkdirSync(state);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", state]);
  try {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, COMPONENT, { ...SERVE, state });
    await using serving = await startServing(folder, system);
    const first = await serving.ask("/api/v1/run/backup", { body: {} });
    assert.equal((await ended(serving, first.value["id"])).exit, 0);
    const { bavail, bsize } = statfsSync(state);
    const ballast = path.join(state, "ballast");
    writeFileSync(ballast, Buffer.alloc(bavail * bsize));
    const full = await serving.ask("/api/v1/run/restore", { body: { point: "latest" } });
    const { exit } = full.status === 202 ? await ended(serving, full.value["id"]) : { exit: 1 };
    assert.notEqual(exit, 0, "nothing could be remembered of it");
    assert.match(full.type, /json/);
    assert.doesNotMatch(JSON.stringify(full.value), /bug/);
    assert.equal((await serving.ask("/openapi.json")).status, 200);
    rmSync(ballast);
    const again = await serving.ask("/api/v1/run/backup", { body: {} });
    assert.equal((await ended(serving, again.value["id"])).exit, 0, "it goes on");
  } finally {
    execFileSync("umount", ["-l", state]);
  }
});

test("somebody else at work is 409 for scripts, and no failure", { timeout: 60_000 }, async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  put(folder, { "files/a": "a" });
  const port = await freePort();
  const adminBackup = { "admin-backup": { listen: `127.0.0.1:${port}`, auth: "none" } };
  using system = await newSystem(folder, COMPONENT, { ...SERVE, ...adminBackup });
  await using _serving = await startServing(folder, system);
  const take = async (): Promise<Response> =>
    await fetch(`http://127.0.0.1:${port}/admin/backup`, { method: "POST", body: "{}" });
  {
    using _lock = lockComponents(system.paths.locks, ["app"]);
    const refused = await take();
    assert.equal(refused.status, 409);
    assert.match(refused.headers.get("content-type") ?? "", /problem\+json/);
  }
  assert.equal((await take()).status, 200);
  assert.deepEqual(
    system.journal.history(9).map(({ outcome }) => outcome),
    ["committed"],
  );
});
