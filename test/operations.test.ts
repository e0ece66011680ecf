import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import type { Run } from "../src/base/events.ts";
import { backup, type BackupResult } from "../src/operations/backup.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import { pin } from "../src/operations/points/pin.ts";
import { openRebuild } from "../src/operations/rebuild.ts";
import { newOperationId } from "../src/operations/record.ts";
import { previewRestore, restore } from "../src/operations/restore.ts";
import { status } from "../src/operations/status.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { put, testIn, textOf } from "./support/files.ts";
import { newSystem, reopenSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what a review broke by links, names, clocks, changed configurations and broken commands
// stays whole, and is told.

const run = quietRun();
const PLAIN = { reason: "", force: false };
const FILES = { stores: { files: { folder: "files" } } };

function makeTable(file: string, value: string): void {
  using database = new DatabaseSync(file);
  database.exec(`DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT '${value}'`);
}

const take = async (system: System): Promise<BackupResult> =>
  await backup(system, { include: [], reason: "" }, run);

/** A system of one component with a valid point. */
async function withPoint(folder: string, component: object, rest = {}): Promise<System> {
  const system = await newSystem(folder, component, rest);
  const { errors } = await take(system);
  assert.deepEqual(errors, []);
  return system;
}

async function restoreIt(system: System, named = "latest"): Promise<void> {
  const { outcome, error } = await restore(system, named, PLAIN, run);
  assert.equal(outcome, "committed", error);
}

suite("links and names", () => {
  testIn("a file store, a folder store and files: are what their links lead to", async (folder) => {
    const REAL = { "real/one": "old", "real/up/a": "old", "real/unit": "old" };
    const LINKS = { registry: "real/one", uploads: "real/up", enabled: "real/unit" };
    put(folder, REAL);
    for (const [link, to] of Object.entries(LINKS)) fs.symlinkSync(to, path.join(folder, link));
    const stores = { registry: { file: "registry" }, uploads: { folder: "uploads" } };
    using system = await withPoint(folder, { stores, files: ["enabled"] });
    for (const file of Object.keys(REAL)) put(folder, { [file]: "new" });
    await restoreIt(system);
    await restore(system, "latest", { ...PLAIN, file: path.join(folder, "enabled") }, run);
    for (const file of Object.keys(REAL)) assert.equal(textOf(folder, file), "old", file);
    for (const [link, to] of Object.entries(LINKS)) {
      assert.equal(fs.readlinkSync(path.join(folder, link)), to);
    }
  });

  testIn("a process that has the database open by another path is seen", async (folder) => {
    const file = path.join(folder, "real", "app.db");
    fs.mkdirSync(path.dirname(file));
    makeTable(file, "old");
    fs.symlinkSync("real", path.join(folder, "data"));
    using system = await withPoint(folder, { stores: { db: { sqlite: "data/app.db" } } });
    const script = 'exec 9< "$0"; echo ready; exec sleep 30';
    using reader = spawn("sh", ["-c", script, file], { stdio: ["ignore", "pipe", "ignore"] });
    await once(reader.stdout, "data");
    const { outcome, error } = await restore(system, "latest", PLAIN, run);
    assert.equal(outcome, "aborted");
    assert.match(error ?? "", new RegExp(`process ${reader.pid} still has its data open`));
  });

  testIn("what is no folder is an error, even where it may be missing", async (folder) => {
    put(folder, { files: "a file", other: "x" });
    const stores = { files: { folder: "files", optional: true }, other: { file: "other" } };
    using system = await newSystem(folder, { stores });
    assert.deepEqual((await take(system)).errors, ["files_not_a_folder"]);
    fs.rmSync(path.join(folder, "files"));
    assert.deepEqual((await take(system)).errors, []);
  });

  testIn(
    "frozen, a name that is no UTF-8 and a lost+found deeper down are kept",
    async (folder) => {
      const raw = Buffer.concat([Buffer.from(`${folder}/files/`), Buffer.from([0x62, 0xff, 0xfe])]);
      using sleeper = spawn("sleep", ["30"], { stdio: "ignore" });
      put(folder, { "files/deep/lost+found/a": "kept", pid: String(sleeper.pid) });
      fs.writeFileSync(raw, "raw");
      const hold = { freeze: { "pid-file": "pid" } };
      using system = await withPoint(folder, { stores: { files: { folder: "files", hold } } });
      fs.rmSync(path.join(folder, "files"), { recursive: true });
      await restoreIt(system);
      assert.equal(fs.readFileSync(raw, "utf8"), "raw");
      assert.equal(textOf(folder, "files/deep/lost+found/a"), "kept");
    },
  );
});

suite("others who write meanwhile", () => {
  testIn("what vanishes during the walk leaves a point that is valid", async (folder) => {
    const names = Array.from({ length: 400 }, (_, i) => `files/s${1000 + i}`);
    put(folder, Object.fromEntries(names.map((name) => [`${name}/f`, name])));
    using system = await newSystem(folder, FILES);
    // The walk lets others have their turn now and then; each turn takes some from the end.
    const vanish = (): void => {
      for (const name of names.splice(-10)) fs.rmSync(path.join(folder, name), { recursive: true });
      if (names.length > 10) setImmediate(vanish);
    };
    const report: Run["report"] = ({ type }) => void (type === "step.started" && vanish());
    const { stamp, errors } = await backup(system, { include: [], reason: "" }, { ...run, report });
    assert.deepEqual(errors, []);
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
  });

  testIn("a lock that somebody replaced during the copy stays, and is LOCKED", async (folder) => {
    const lock = path.join(folder, "lock");
    const names = Array.from({ length: 500 }, (_, i) => `files/${i}`);
    put(folder, { ...Object.fromEntries(names.map((name) => [name, name])), theirs: "theirs" });
    const hold = { "lock-file": "lock" };
    using system = await newSystem(folder, { stores: { files: { folder: "files", hold } } });
    const replace = (): void => {
      if (fs.existsSync(lock)) fs.renameSync(path.join(folder, "theirs"), lock);
      else setImmediate(replace);
    };
    replace();
    await assert.rejects(take(system), { code: "LOCKED" });
    assert.equal(textOf(lock), "theirs");
  });
});

suite("what changed since", () => {
  testIn("the preview tells of links and kinds; equal counts are not nothing", async (folder) => {
    makeTable(path.join(folder, "app.db"), "old");
    put(folder, { "files/kind": "a file", "files/same": "same" });
    fs.symlinkSync("same", path.join(folder, "files/link"));
    const stores = { files: { folder: "files" }, db: { sqlite: "app.db" } };
    using system = await withPoint(folder, { stores });
    makeTable(path.join(folder, "app.db"), "a week of work");
    for (const name of ["link", "kind"]) fs.rmSync(path.join(folder, "files", name));
    fs.symlinkSync("kind", path.join(folder, "files/link"));
    put(folder, { "files/kind/inner": "a folder now" });
    const { loss } = await previewRestore(system, "latest", PLAIN, run);
    const changed = ["changed since: kind", "changed since: link"];
    assert.deepEqual(loss["app/files"]?.toSorted(), changed);
    assert.match(loss["app/db"]!.join(), /not compared/);
  });

  const OTHERS = [
    { name: "renamed", from: "app:", to: "web:" },
    { name: "without one of its stores", from: /files:\s+folder: files/, to: "" },
  ];
  for (const { name, from, to } of OTHERS) {
    testIn(`a component ${name}: undo is whole, the point not proven`, async (folder) => {
      put(folder, { "files/a": "old", one: "old" });
      const stores = { files: { folder: "files" }, one: { file: "one" } };
      using system = await withPoint(folder, { stores });
      put(folder, { "files/a": "new", one: "new" });
      await restoreIt(system);
      const config = textOf(folder, "lastgood.yaml");
      put(folder, { "lastgood.yaml": config.replace(from, to) });
      using changed = await reopenSystem(folder);
      assert.match((await validate(changed, "latest", run)).errors.join(), /files_not_configured/);
      assert.equal((await undo(changed, undefined, { reason: "" }, run)).outcome, "committed");
      assert.deepEqual([textOf(folder, "files/a"), textOf(folder, "one")], ["new", "new"]);
    });
  }

  testIn("a clock that goes back: last is latest, and undone first", async (folder) => {
    let hour = 12;
    const clock = { now: () => new Date(Date.UTC(2026, 10, 21, hour)) };
    put(folder, { one: "first" });
    using system = await newSystem(folder, { stores: { one: { file: "one" } } }, {}, clock);
    const first = await take(system);
    put(folder, { one: "second" });
    hour = 7;
    const second = await take(system);
    assert.equal((await listPoints(system, run)).at(-1)?.stamp, second.stamp);
    hour = 12;
    await restoreIt(system, first.stamp);
    hour = 7;
    await restoreIt(system);
    assert.equal(textOf(folder, "one"), "second");
    await undo(system, undefined, { reason: "" }, run);
    assert.equal(textOf(folder, "one"), "first");
  });

  testIn("two systems in one repository: pins do not mix, one is named", async (folder) => {
    const clock = { now: () => new Date("2026-11-21T12:00:00Z") };
    const at = path.join(folder, "one", "repository");
    const password = { file: path.join(folder, "one", "key") };
    put(folder, { "one/files/a": "1", "two/files/a": "2" });
    using one = await newSystem(path.join(folder, "one"), FILES, {}, clock);
    const rest = { system: "two", repository: { at, password } };
    using two = await newSystem(path.join(folder, "two"), FILES, rest, clock);
    const [{ stamp }, other] = [await take(one), await take(two)];
    assert.equal(other.stamp, stamp);
    await pin(one, stamp, "pinned", "", run);
    assert.equal((await listPoints(one, run))[0]?.pinned, true);
    assert.equal((await listPoints(two, run))[0]?.pinned, false);
    const from = { repository: { at, password }, system: undefined, point: "latest" };
    const host = { env: {}, clock };
    await assert.rejects(openRebuild(from, folder, host, run), { code: "USAGE" });
    const { loaded } = await openRebuild({ ...from, system: "two" }, folder, host, run);
    assert.equal(loaded.config.system, "two");
  });
});

suite("status and checks", () => {
  const control = { start: ["true"], stop: ["true"], alive: ["false"] };
  const ONE = { stores: { one: { file: "one", format: "json" } } };
  const UNWELL = [
    { name: "a stopped component", more: { run: { command: control } }, says: /app does not run/ },
    {
      name: "an unknown check",
      more: { checks: { c: { command: ["/none"] } } },
      says: /c is unknown/,
    },
    {
      name: "an invalid newest point",
      more: {},
      says: /newest point is invalid: lastgood show \d{8}T/,
    },
  ];
  for (const { name, more, says } of UNWELL) {
    testIn(`${name} is not well`, async (folder) => {
      put(folder, { one: "{}" });
      using system = await withPoint(folder, { ...ONE, ...more });
      if (Object.keys(more).length === 0) {
        assert((await status(system, run)).ok);
        put(folder, { one: "{" });
        await take(system);
      }
      const { ok, sentence } = await status(system, run);
      assert.equal(ok, false);
      assert.match(sentence, says);
    });
  }

  testIn("whoever cannot be asked whether it lives is not stopped", async (folder) => {
    put(folder, { one: "{}" });
    const command = { ...control, alive: ["sh", "-c", "exit 127"] };
    using system = await withPoint(folder, { ...ONE, run: { command } });
    await assert.rejects(restore(system, "latest", PLAIN, run), { code: "SOURCE_FAILED" });
    assert.equal(system.journal.history(1)[0]?.kind, "backup", "nothing was begun");
  });

  testIn("what a check sends reaches the server as it was written", async (folder) => {
    put(folder, { one: "{}" });
    const body = { file: "inbox.txt", files: [1, 2], at: "noon" };
    await using server = createServer((request, response) => {
      void request.toArray().then((parts) => response.end(Buffer.concat(parts as Buffer[])));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as { port: number };
    const http = { post: `http://127.0.0.1:${port}/`, body };
    const json = { file: { equals: body.file }, "files.0": { equals: 1 }, at: { equals: "noon" } };
    using system = await withPoint(folder, { ...ONE, checks: { c: { http, json } } });
    assert.deepEqual((await status(system, run)).components["app"]?.checks, { c: "good" });
    server.closeAllConnections();
  });

  testIn("operations of one second are in the order in which they began", async (folder) => {
    let ms = Date.parse("2026-11-22T10:00:00.000Z");
    const clock = { now: () => new Date((ms += 7)) };
    using system = await newSystem(folder, ONE, {}, clock);
    const ids = Array.from({ length: 100 }, () => newOperationId(system));
    assert.deepEqual(ids, ids.toSorted());
    assert.equal(new Set(ids).size, 100);
  });
});
