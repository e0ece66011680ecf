import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { parse, stringify } from "yaml";
import { backup } from "../src/operations/backup.ts";
import { listPoints } from "../src/operations/points/catalogue.ts";
import { drill } from "../src/operations/drill/drill.ts";
import { type Evidence, listEvidence, readEvidence } from "../src/operations/drill/evidence.ts";
import { restore } from "../src/operations/restore.ts";
import { startComponents, stopComponents } from "../src/operations/stop-start.ts";
import type { System } from "../src/operations/system.ts";
import { put, testIn, textOf } from "./support/files.ts";
import { freePort } from "./support/releases.ts";
import { skipWithout } from "./support/servers.ts";
import { newSystem, reopenSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: a drill starts what was restored beside what is live, on the same port and the same paths, touches
// nothing of it, and says truly what it has proven and who is at fault.

const run = quietRun();
const APP = path.resolve(import.meta.dirname, "support/notes-app.mjs");
const skip = skipWithout(existsSync("/usr/bin/bwrap"), "bubblewrap");

/** The application runs, with three notes and a file that it needs. */
async function newNotes(folder: string, more: object = {}, rest: object = {}): Promise<System> {
  put(folder, { "app/needed.txt": "x" });
  const database = new DatabaseSync(path.join(folder, "app/notes.db"));
  database.exec("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('a'), ('b'), ('c')");
  database.close();
  const url = `http://127.0.0.1:${await freePort()}`;
  const port = new URL(url).port;
  const system = await newSystem(
    folder,
    {
      run: { process: [process.execPath, APP, path.join(folder, "app"), port] },
      stores: { db: { sqlite: "app/notes.db" } },
      checks: { notes: { http: url, json: { notes: { equals: 3 } } } },
      verify: { "healthy-for": "200ms", deadline: "5s" },
      drill: { writable: ["app/log"] },
      ...more,
    },
    rest,
  );
  put(folder, { "app/log/app.log": "" });
  await startComponents(system, undefined, "", run);
  return system;
}

const take = async (system: System): Promise<string> =>
  (await backup(system, { include: [], reason: "" }, run)).stamp;

const tryLatest = async (system: System): Promise<Evidence> =>
  await drill(system, { named: "latest", reason: "" }, run);

async function end(system: System): Promise<void> {
  await stopComponents(system, undefined, "", run);
  system[Symbol.dispose]();
}

const started = (folder: string): number =>
  textOf(folder, "app/log/app.log").split("\n").length - 1;

suite("drill", () => {
  testIn(
    "the application runs on the restored data, on its own port, while the live one goes on",
    async (folder) => {
      const objectives = { "recovery-time": "1m", "data-loss": "1h" };
      const system = await newNotes(folder, {}, { objectives });
      try {
        const stamp = await take(system);
        const evidence = await tryLatest(system);
        assert.deepEqual(
          [evidence.verdict, evidence.reasons, evidence.problem],
          ["proven", [], undefined],
        );
        assert.equal(evidence.point, stamp);
        assert.equal((await listPoints(system, run)).at(-1)?.drill, "proven");
        assert.deepEqual(
          evidence.checks.map(({ check, verdict }) => [check, verdict]),
          [["notes", "good"]],
        );
        assert((evidence.recovery.ms ?? 0) > 0 && evidence.recovery.objectiveMs === 60_000);
        assert((evidence.dataLoss.ms ?? Infinity) < 3_600_000);
        assert.equal(started(folder), 1, "what is live was started once, and not written to");
        using database = new DatabaseSync(path.join(folder, "app/notes.db"), { readOnly: true });
        const { n } = database.prepare("SELECT count(*) AS n FROM notes").get() as { n: number };
        assert.equal(n, 4);
        assert.deepEqual(readdirSync(system.paths.temporary), [], "nothing is left of it");
        const { markdown } = await readEvidence(system, "latest");
        assert.match(markdown, /\*\*Proven: the application ran on the restored data\.\*\*/);
        assert.match(markdown, /\| Recovery time \| \d+\.\d s \| 60\.0 s \| met \|/);
        assert.equal(system.journal.history(1)[0]?.kind, "drill");
      } finally {
        await end(system);
      }
    },
    skip,
  );

  testIn(
    "data that do not do are the backup's fault, and the live ones are as they were",
    async (folder) => {
      const system = await newNotes(folder);
      try {
        using database = new DatabaseSync(path.join(folder, "app/notes.db"), { timeout: 5000 });
        database.exec("DELETE FROM notes WHERE text = 'b'");
        await take(system);
        database.exec("INSERT INTO notes VALUES ('b')");
        const { verdict, fault, problem } = await tryLatest(system);
        assert.deepEqual([verdict, fault], ["failed", "backup"]);
        assert.match(problem ?? "", /check notes is bad: .*2/);
        const [listed] = await listEvidence(system, 10);
        assert.equal(listed?.verdict, "failed");
        // Who chooses a point sees it.
        assert.equal((await listPoints(system, run)).at(-1)?.drill, "failed");
        assert.match(system.journal.history(1)[0]?.error ?? "", /check notes is bad/);
      } finally {
        await end(system);
      }
    },
    skip,
  );

  testIn(
    "what cannot even start lacks something around it: the surroundings' fault",
    async (folder) => {
      const system = await newNotes(folder);
      try {
        await take(system);
        renameSync(path.join(folder, "app/needed.txt"), path.join(folder, "app/other.txt"));
        const { verdict, fault, problem, lastWords } = await tryLatest(system);
        assert.deepEqual([verdict, fault], ["failed", "surroundings"], problem);
        assert.match(lastWords.join(), /needed\.txt is not there/);
      } finally {
        await end(system);
      }
    },
    skip,
  );

  testIn(
    "without a way to start it the data alone are proven, and that is said",
    async (folder) => {
      put(folder, { "files/a": "a" });
      using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
      await take(system);
      const { verdict, reasons } = await tryLatest(system);
      assert.equal(verdict, "data-proven");
      assert.match(reasons.join(), /app: nothing says how it is started/);
      assert.match((await readEvidence(system, "latest")).markdown, /Data proven, application not/);
    },
  );

  testIn("a damaged repository is the backup's fault", async (folder) => {
    put(folder, { "files/a": "a".repeat(1000) });
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
    await take(system);
    const packs = path.join(folder, "repository/data");
    const described = new Set<string>();
    for (const each of readdirSync(packs, { recursive: true, withFileTypes: true })) {
      if (each.isFile()) described.add(path.join(each.parentPath, each.name));
    }
    // The packs of trees and of the point's own description stay: the file's data is what is lost.
    const reopened = await reopenSystem(folder);
    using _closed = reopened;
    let failed = 0;
    for (const file of described) {
      renameSync(file, `${file}.away`);
      const ended = await tryLatest(reopened).catch(() => undefined);
      if (ended !== undefined) {
        assert.deepEqual([ended.verdict, ended.fault], ["failed", "backup"], ended.problem);
        failed++;
      }
      renameSync(`${file}.away`, file);
    }
    assert(failed > 0, `${described.size} packs`);
  });

  testIn(
    "what is gone from this machine is there in the drill, and stays gone",
    async (folder) => {
      const system = await newNotes(folder);
      try {
        const stamp = await take(system);
        await stopComponents(system, undefined, "", run);
        for (const name of readdirSync(path.join(folder, "app"))) {
          if (name.startsWith("notes.db")) rmSync(path.join(folder, "app", name));
        }
        const { verdict, problem } = await tryLatest(system);
        assert.equal(verdict, "proven", problem);
        assert.equal(existsSync(path.join(folder, "app/notes.db")), false);
        const options = { reason: "", force: false };
        assert.equal((await restore(system, stamp, options, run)).outcome, "committed");
      } finally {
        await end(system);
      }
    },
    skip,
  );

  testIn(
    "no door leads to who is live: sockets, pipes, lock files, data of stores that the point has not",
    async (folder) => {
      put(folder, { "data/a": "a", "late/x": "live", lock: "", "sub/y": "y" });
      // By a relative path the kernel knows no place of it.
      const listening = createServer();
      const before = process.cwd();
      process.chdir(folder);
      await new Promise<void>((resolve) => listening.listen("rel.sock", resolve));
      process.chdir(before);
      execFileSync("mkfifo", [path.join(folder, "sub/fifo")]);
      const shell = (line: string): object => ({
        command: ["sh", "-c", `cd ${folder} && ${line}`],
      });
      const component = {
        run: { process: ["sleep", "1000"] },
        stores: { data: { folder: "data" } },
        checks: {
          doors: shell("! test -S rel.sock && ! test -p sub/fifo"),
          lock: shell(
            "test $(stat -c %i lock) != " + String(statSync(path.join(folder, "lock")).ino),
          ),
          code: shell("! touch sub/y"),
        },
        verify: { "healthy-for": "100ms", deadline: "5s" },
      };
      {
        using system = await newSystem(folder, component);
        await take(system);
      }
      const late = { ...component, stores: { ...component.stores, late: { folder: "late" } } };
      const checks = { ...component.checks, late: shell("! test -e late/x") };
      const config = parse(textOf(folder, "lastgood.yaml")) as { components: { app: object } };
      config.components.app = { ...late, checks };
      put(folder, { "lastgood.yaml": stringify(config) });
      using system = await reopenSystem(folder);
      const { verdict, reasons, problem, checks: asked } = await tryLatest(system);
      assert.equal(verdict, "data-proven", problem);
      assert.deepEqual(reasons, ["app/late is not in the point: there was nothing of it"]);
      assert.deepEqual(
        asked.map(({ verdict: one }) => one),
        ["good", "good", "good", "good"],
        JSON.stringify(asked),
      );
      await new Promise((resolve) => listening.close(resolve));
    },
    skip,
  );

  testIn("what a lost drill has left is removed by the next backup", async (folder) => {
    put(folder, { "files/a": "a" });
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
    put(system.paths.temporary, { "drill/world/0/secret": "restored" });
    await take(system);
    assert.equal(existsSync(path.join(system.paths.temporary, "drill")), false);
  });

  testIn(
    "nothing checked, or left out with what it depends on, is not proven",
    async (folder) => {
      put(folder, { "files/a": "a" });
      const component = {
        run: { process: ["sleep", "1000"] },
        stores: { files: { folder: "files" } },
        verify: { "healthy-for": "100ms", deadline: "5s" },
      };
      using system = await newSystem(folder, component);
      await take(system);
      const { verdict, reasons, recovery } = await tryLatest(system);
      assert.deepEqual([verdict, recovery.ms], ["data-proven", undefined]);
      assert.deepEqual(reasons, ["app: no required check was asked"]);
    },
    skip,
  );

  testIn("the configuration refuses a drill that needs an engine", async (folder) => {
    const file = { run: { systemd: ["a.service"] }, drill: { run: { systemd: ["a.service"] } } };
    await assert.rejects(newSystem(folder, file), /process or command: a drill starts it/);
  });
});
