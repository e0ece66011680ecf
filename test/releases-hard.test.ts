import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { Outbox } from "../src/notifiers/outbox.ts";
import { recover, recoverable } from "../src/operations/recover.ts";
import { listReleases } from "../src/operations/releases/candidates.ts";
import { makeFactory, pinRelease, removeOne } from "../src/operations/releases/manage.ts";
import { rollback } from "../src/operations/releases/rollback.ts";
import { status } from "../src/operations/status.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { install, links, onDevice } from "./support/device.ts";
import { quietRun } from "./support/temporary.ts";
import { zipOf } from "./support/zip.ts";

// Goal: what reviews broke stays whole: people who repair, data that a failed release touched,
// packages that reach further than they should.

const run = quietRun();
const PREVIOUS = { to: "previous", data: "as-needed", reason: "", force: false } as const;
const WITH_DATA = { ...PREVIOUS, data: "with-data" } as const;
const STORES = { component: { stores: { main: { sqlite: "app.db", schema: { prisma: true } } } } };

const open = (folder: string): DatabaseSync => new DatabaseSync(path.join(folder, "app.db"));

/** A release that does this to the database when it starts, each time. */
function wrecking(sql: string, known: Record<string, string> = {}): Record<string, string> {
  return { "migrations.json": JSON.stringify({ ...known, [`z${Math.random()}`]: sql }) };
}

function words(folder: string): string[] {
  using database = open(folder);
  return database
    .prepare("SELECT word FROM t")
    .all()
    .map((row) => String(row["word"]));
}

function say(folder: string, word: string): void {
  using database = open(folder);
  database.exec("CREATE TABLE IF NOT EXISTS t (word TEXT)");
  database.prepare("INSERT INTO t VALUES (?)").run(word);
}

suite("people who repair", () => {
  onDevice(
    "after needs-human a rollback by hand settles it, and recover leaves it",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      await install(system, folder, "1.1.0");
      const sick = path.join(folder, "versions/v1.1.0/behaviour");
      const bad = await install(system, folder, "1.2.0", "exit", {
        force: true,
        announcer: { say: () => fs.writeFileSync(sick, "exit\n"), flush: async () => {} },
      });
      assert.equal(bad.outcome, "needs-human");
      const mended = await rollback(system, "app", { ...PREVIOUS, to: "1.0.0" }, run);
      assert.equal(mended.outcome, "committed", mended.error);
      assert.deepEqual((await status(system, run)).needsHuman, []);
      assert.deepEqual((await recover(recoverable(system), run)).operations, []);
      assert.equal(links(folder)[0], "v1.0.0");
    },
  );

  onDevice(
    "undo of a rollback without data brings the release back alone",
    async (system, folder) => {
      for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
      const { operation } = await rollback(system, "app", PREVIOUS, run);
      const undone = await undo(system, operation, { reason: "" }, run);
      assert.equal(undone.outcome, "committed", undone.error);
      assert.equal(links(folder)[0], "v1.1.0");
    },
  );

  onDevice("previous never leads forward", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await install(system, folder, version);
    await rollback(system, "app", { ...PREVIOUS, to: "1.0.0" }, run);
    assert.deepEqual(links(folder).slice(0, 2), ["v1.0.0", "-"]);
  });

  onDevice("nothing is removed while an operation is interrupted", async (system, folder) => {
    for (const version of ["1.0.0", "1.1.0"]) await install(system, folder, version);
    const { journal } = system;
    const setup = { components: { app: system.components[0]!.config }, baseline: {} };
    const facts = { kind: "deploy", setup, started: "", who: "", reason: "" };
    journal.create({ id: "lost", plan: { steps: [], ways: [] }, ...facts });
    await assert.rejects(removeOne(system, "app", "1.0.0", run), /was interrupted/);
    await assert.rejects(makeFactory(system, "app", "1.0.0", run), /was interrupted/);
    journal.finish("lost", "aborted", "");
  });
});

suite("data that a release touched", () => {
  const onData = (name: string, work: (system: System, folder: string) => Promise<void>): void =>
    onDevice(name, work, STORES);

  onDevice(
    "what a failed release did to rows can be undone",
    async (system, folder) => {
      say(folder, "precious");
      await install(system, folder, "1.0.0", "good", {}, { "migrations.json": "{}" });
      const wreck = wrecking("UPDATE t SET word = 'garbage'");
      const bad = await install(system, folder, "1.1.0", "500", {}, wreck);
      assert.equal(bad.outcome, "rolled-back", bad.error);
      assert.deepEqual(words(folder), ["garbage"]);
      const undone = await undo(system, bad.operation, { reason: "" }, run);
      assert.equal(undone.outcome, "committed", undone.error);
      assert.deepEqual(words(folder), ["precious"]);
      assert.equal(links(folder)[0], "v1.0.0");
    },
    { component: { stores: { main: { sqlite: "app.db" } } } },
  );

  onDevice(
    "data of two times never meet: all stores go back, or none",
    async (system, folder) => {
      const side = (): DatabaseSync => new DatabaseSync(path.join(folder, "side.db"));
      {
        using database = side();
        database.exec("CREATE TABLE s (word TEXT); INSERT INTO s VALUES ('precious')");
      }
      say(folder, "precious");
      await install(system, folder, "1.0.0", "good", {}, { "migrations.json": "{}" });
      const attach = `ATTACH '${path.join(folder, "side.db")}' AS side`;
      const sql = `${attach}; UPDATE side.s SET word = 'half'; UPDATE t SET word = 'half'`;
      const wreck = { "migrations.json": JSON.stringify({ "2_breaking": sql }) };
      const bad = await install(system, folder, "1.1.0", "500", {}, wreck);
      assert.equal(bad.outcome, "rolled-back", bad.error);
      assert.deepEqual(words(folder), ["precious"]);
      using database = side();
      assert.equal(database.prepare("SELECT word FROM s").get()?.["word"], "precious");
    },
    {
      component: {
        stores: {
          aside: { sqlite: "side.db" },
          main: { sqlite: "app.db", schema: { prisma: true } },
        },
      },
    },
  );

  onData("a way back that failed does not condemn what was well", async (system, folder) => {
    say(folder, "precious");
    await install(system, folder, "1.0.0", "good", {}, { "migrations.json": "{}" });
    await install(system, folder, "1.1.0", "good", {}, wrecking("", { "2_breaking": "" }));
    const options = { ...PREVIOUS, data: "code-only", force: true } as const;
    const failed = await rollback(system, "app", options, run);
    assert.equal(failed.outcome, "rolled-back", failed.error);
    const back = await rollback(system, "app", WITH_DATA, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.equal(links(folder)[0], "v1.0.0");
  });

  onData(
    "factory is no way back by itself where it cannot read the data",
    async (system, folder) => {
      const first = { "1_a": "CREATE TABLE IF NOT EXISTS t (word TEXT)" };
      const second = { ...first, "2_breaking": "CREATE TABLE b (x)" };
      const tell = (known: object): Record<string, string> => ({
        "migrations.json": JSON.stringify(known),
        "release.json": JSON.stringify({
          reads: { main: Object.keys(known) },
          migrations: { main: { "1_a": "additive", "2_breaking": "breaking" } },
        }),
      });
      open(folder).close();
      await install(system, folder, "1.0.0", "good", {}, tell(first));
      await makeFactory(system, "app", "1.0.0", run);
      await install(system, folder, "1.1.0", "good", {}, tell(second));
      say(folder, "precious");
      const sick = path.join(folder, "versions/v1.1.0/behaviour");
      const bad = await install(system, folder, "1.2.0", "exit", {
        announcer: { say: () => fs.writeFileSync(sick, "exit\n"), flush: async () => {} },
      });
      assert.equal(bad.outcome, "needs-human");
      assert.notEqual(bad.live, "1.0.0");
      assert.deepEqual(words(folder), ["precious"]);
    },
  );

  onData(
    "what was written before going back with data outlives the next deploy",
    async (system, folder) => {
      say(folder, "first");
      await install(system, folder, "1.0.0");
      await install(system, folder, "1.1.0");
      say(folder, "second");
      const back = await rollback(system, "app", WITH_DATA, run);
      assert.equal(back.outcome, "committed", back.error);
      await install(system, folder, "1.2.0");
      const kept = path.join(folder, ".app.db.lastgood", `=before-${back.operation}`, "app.db");
      using database = new DatabaseSync(kept);
      assert.equal(database.prepare("SELECT count(*) AS n FROM t").get()?.["n"], 2);
    },
  );

  onData("a rollback with data that fails leaves the copy as it was", async (system, folder) => {
    say(folder, "precious");
    const sick = { "migrations.json": JSON.stringify({ m: "UPDATE t SET word = 'trial'" }) };
    await install(system, folder, "1.0.0");
    await install(system, folder, "1.1.0");
    const release = path.join(folder, "versions/v1.0.0");
    fs.writeFileSync(path.join(release, "behaviour"), "500\n");
    fs.writeFileSync(path.join(release, "migrations.json"), sick["migrations.json"]);
    fs.rmSync(path.join(folder, "versions/.lastgood/1.0.0.sha256"));
    const { adopt } = await import("../src/operations/releases/manage.ts");
    await adopt(system, "app", run);
    const options = { ...WITH_DATA, to: "1.0.0", force: true };
    const failed = await rollback(system, "app", options, run);
    assert.equal(failed.outcome, "rolled-back", failed.error);
    assert.deepEqual(words(folder), ["precious"]);
    const copies = fs.readdirSync(path.join(folder, ".app.db.lastgood"));
    for (const name of copies.filter((one) => /^=before-[^.]+$/.test(one))) {
      using database = new DatabaseSync(path.join(folder, ".app.db.lastgood", name, "app.db"));
      assert.equal(database.prepare("SELECT word FROM t").get()?.["word"], "precious", name);
    }
  });
});

suite("packages that reach further", () => {
  /** A package of modules, deployed. */
  const deployZip = async (
    system: System,
    folder: string,
    version: string,
    modules: readonly object[],
    files: Readonly<Record<string, string>>,
  ): ReturnType<typeof install> => {
    const { deploy } = await import("../src/operations/releases/deploy.ts");
    const service = fs.readFileSync(path.resolve("examples/tope/services/device-api.mjs"));
    const app = { name: "api", src: "api", dst: `${folder}/bin/device-api`, process_name: "api" };
    const zip = zipOf([
      { name: "manifest.json", content: JSON.stringify({ version, modules: [app, ...modules] }) },
      { name: "api", content: service },
      ...Object.entries(files).map(([name, content]) => ({ name, content })),
    ]);
    const from = path.join(folder, `${version}.zip`);
    fs.writeFileSync(from, zip);
    return await deploy(
      system,
      "app",
      version,
      { source: { from }, reason: "", force: false },
      run,
    );
  };

  onDevice(
    "a file outside is switched, kept, put back; a folder is refused",
    async (system, folder) => {
      const place = path.join(folder, "elsewhere/tool");
      const tree = path.join(folder, "elsewhere/tree");
      fs.mkdirSync(tree, { recursive: true });
      fs.writeFileSync(place, "handmade");
      const outer = `${path.dirname(folder)}/${path.basename(folder)}-out`;
      const tool = { name: "tool", src: "tool", dst: place.replace(folder, outer) };
      fs.mkdirSync(path.dirname(tool.dst), { recursive: true });
      fs.writeFileSync(tool.dst, "handmade");
      try {
        await deployZip(system, folder, "1.0.0", [], {});
        const one = await deployZip(system, folder, "1.1.0", [tool], { tool: "of 1.1.0" });
        assert.equal(one.outcome, "committed", one.error);
        assert.equal(fs.readFileSync(tool.dst, "utf8"), "of 1.1.0");
        const back = await rollback(system, "app", PREVIOUS, run);
        assert.equal(back.outcome, "committed", back.error);
        assert.equal(fs.readFileSync(tool.dst, "utf8"), "handmade");
        const folderToo = { name: "t", src: "tool", dst: path.dirname(tool.dst) };
        await assert.rejects(
          deployZip(system, folder, "1.2.0", [folderToo], { tool: "x" }),
          /it is a folder/,
        );
      } finally {
        fs.rmSync(outer, { recursive: true });
      }
    },
  );

  onDevice(
    "R14: at depth 2 a file outside is the one of the factory release",
    async (system, folder) => {
      const outer = `${folder}-out`;
      fs.mkdirSync(outer);
      const dst = path.join(outer, "tool");
      const only = path.join(outer, "of-factory");
      const tool = { name: "tool", src: "tool", dst };
      const more = { name: "only", src: "only", dst: only };
      try {
        const files = { tool: "of 1.0.0", only: "of 1.0.0" };
        assert.equal(
          (await deployZip(system, folder, "1.0.0", [tool, more], files)).outcome,
          "committed",
        );
        await makeFactory(system, "app", "1.0.0", run);
        assert.equal(
          (await deployZip(system, folder, "1.1.0", [tool], { tool: "of 1.1.0" })).outcome,
          "committed",
        );
        fs.writeFileSync(only, "changed since");
        // What is live is damaged, and what comes is not healthy.
        fs.appendFileSync(path.join(folder, "versions/v1.1.0/bin/device-api"), "\n");
        const behaviour = { name: "how", src: "how", dst: `${folder}/behaviour` };
        const bad = await deployZip(system, folder, "1.2.0", [tool, behaviour], {
          tool: "of 1.2.0",
          how: "exit\n",
        });
        assert.equal(bad.outcome, "rolled-back-to-factory", bad.error);
        assert.deepEqual(
          [dst, only].map((file) => fs.readFileSync(file, "utf8")),
          ["of 1.0.0", "of 1.0.0"],
        );
      } finally {
        fs.rmSync(outer, { recursive: true });
      }
    },
  );

  onDevice(
    "files outside: edited by hand, over several releases, by undo",
    async (system, folder) => {
      const outer = `${folder}-out`;
      fs.mkdirSync(outer);
      const dst = path.join(outer, "tool");
      const tool = { name: "tool", src: "tool", dst };
      const text = (): string => fs.readFileSync(dst, "utf8");
      try {
        fs.writeFileSync(dst, "handmade");
        const all = async (
          version: string,
          files: Readonly<Record<string, string>>,
        ): Promise<string> => {
          const modules = "tool" in files ? [tool] : [];
          const { outcome, error, operation } = await deployZip(
            system,
            folder,
            version,
            modules,
            files,
          );
          assert.equal(outcome, "committed", error);
          return operation;
        };
        await all("1.0.0", {});
        await pinRelease(system, "app", "1.0.0", true);
        const second = await all("1.1.0", { tool: "of 1.1.0" });
        assert.equal((await undo(system, second, { reason: "" }, run)).outcome, "committed");
        assert.equal(text(), "handmade", "undo");
        await all("1.2.0", { tool: "of 1.2.0" });
        fs.writeFileSync(dst, "edited");
        await all("1.3.0", { tool: "of 1.3.0" });
        const back = await rollback(system, "app", { ...PREVIOUS, to: "1.0.0" }, run);
        assert.equal(back.outcome, "committed", back.error);
        assert.equal(text(), "handmade", "over two releases");
        const lying = fs
          .globSync(path.join(outer, ".tool.lastgood/*/tool"))
          .map((file) => fs.readFileSync(file, "utf8"));
        assert(lying.includes("edited"), "what somebody edited is in no other place");
        // The list of what is live is broken: that is why one goes back.
        await all("1.4.0", { tool: "of 1.4.0" });
        const manifest = path.join(folder, "versions/v1.4.0/manifest.json");
        fs.truncateSync(manifest, 10);
        const away = await rollback(system, "app", { ...PREVIOUS, to: "1.0.0", force: true }, run);
        assert.equal(away.outcome, "committed", away.error);
      } finally {
        fs.rmSync(outer, { recursive: true });
      }
    },
  );

  onDevice("a release may have a manifest.json of its own", async (system, folder) => {
    const files = { "manifest.json": '{"modules":{"a":1}}' };
    for (const version of ["1.0.0", "1.1.0"]) {
      const { outcome, error } = await install(system, folder, version, "good", {}, files);
      assert.equal(outcome, "committed", error);
    }
    const back = await rollback(system, "app", PREVIOUS, run);
    assert.equal(back.outcome, "committed", back.error);
  });

  onDevice("what a file was verified as is what is unpacked", async (system, folder) => {
    await deployZip(system, folder, "1.0.0", [], {});
    const { fetchPackage } = await import("../src/operations/releases/fetch.ts");
    const { deploy } = await import("../src/operations/releases/deploy.ts");
    const { releaseVersion } = await import("../src/operations/releases/target-of.ts");
    const from = path.join(folder, "1.0.0.zip");
    await fetchPackage(system, "app", releaseVersion("1.1.0"), { from }, run);
    fs.writeFileSync(from, zipOf([{ name: "VERSION", content: "other" }]));
    const options = { source: undefined, reason: "", force: false };
    const { outcome, error } = await deploy(system, "app", "1.1.0", options, run);
    assert.equal(outcome, "aborted");
    assert.match(error ?? "", /it changed since it was verified/);
  });
});

suite("reports", () => {
  onDevice("an outbox that cannot be written stops no way back", async (system, folder) => {
    await install(system, folder, "1.0.0");
    const deaf = { say: () => {}, flush: async () => {} };
    const bad = await install(system, folder, "1.1.0", "exit", { announcer: deaf });
    assert.equal(bad.outcome, "rolled-back");
    const { announcerOf } = await import("../src/operations/updater/announce.ts");
    const updater = { component: "app", report: "http://127.0.0.1:1/", allow: [], auth: "none" };
    fs.writeFileSync(path.join(folder, ".lastgood/outbox.db"), "this is no database ".repeat(100));
    const config = { ...system.config, updater: { ...updater, listen: "127.0.0.1:1" } as never };
    const announcer = announcerOf({ ...system, config }, "app");
    announcer!.say([{ report: { stage: "failed", progress: 0, message: "", error: null } }], "1");
  });

  onDevice("a receiver that is gone keeps no other from hearing", async (_system, folder) => {
    using outbox = new Outbox(path.join(folder, "outbox.db"));
    outbox.add("http://gone/", "1");
    for (const body of ["a", "b", "c"]) outbox.add("http://there/", body);
    const heard: string[] = [];
    await outbox.flush(async ({ to, body }) => {
      if (to.includes("gone")) return false;
      heard.push(body);
      return true;
    });
    assert.deepEqual(heard, ["a", "b", "c"]);
    assert.equal(outbox.waiting, 1);
  });
});

suite("processes", () => {
  onDevice(
    "a program that ignores SIGTERM is killed, with what it has started",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const { runner } = system.components[0]!;
      await runner!.stop(run);
      const mark = { LASTGOOD_PROCESS: `app@${path.join(folder, ".lastgood")}` };
      const script = "trap '' TERM; sleep 60 & wait";
      using stubborn = spawn("sh", ["-c", script], {
        env: { ...process.env, ...mark },
        stdio: "ignore",
      });
      await once(stubborn, "spawn");
      assert.equal(await runner!.isAlive(run), true);
      await runner!.stop(run);
      assert.equal(await runner!.isAlive(run), false);
      const { releases } = await listReleases(system, "app", run);
      assert.equal(releases.length, 1);
    },
  );

  onDevice(
    "a stranger who has the data open ends a deploy, and the service runs on",
    async (system, folder) => {
      say(folder, "row");
      await install(system, folder, "1.0.0");
      const script = 'exec 9< "$0"; echo ready; exec sleep 60';
      using stranger = spawn("sh", ["-c", script, path.join(folder, "app.db")], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      await once(stranger.stdout, "data");
      const { outcome, error } = await install(system, folder, "1.1.0");
      assert.equal(outcome, "aborted");
      assert.match(error ?? "", new RegExp(`process ${stranger.pid} still has its data open`));
      assert.equal(await system.components[0]!.runner!.isAlive(run), true);
      stranger.kill("SIGKILL");
      await once(stranger, "exit");
      assert.equal((await install(system, folder, "1.2.0")).outcome, "committed");
    },
    STORES,
  );

  onDevice(
    "a failed undo leaves the copy as it was, and a first deploy cannot be undone",
    async (system, folder) => {
      say(folder, "before");
      const first = await install(system, folder, "1.0.0");
      await assert.rejects(undo(system, first.operation, { reason: "" }, run), /nothing to undo/);
      const known = { "1_a": "CREATE TABLE b (x)" };
      const breaking = {
        "migrations.json": JSON.stringify(known),
        "release.json": JSON.stringify({ migrations: { main: { "1_a": "breaking" } } }),
      };
      const second = await install(system, folder, "1.1.0", "good", {}, breaking);
      assert.equal(second.outcome, "committed", second.error);
      fs.writeFileSync(path.join(folder, "versions/v1.0.0/behaviour"), "500\n");
      fs.rmSync(path.join(folder, "versions/.lastgood/1.0.0.sha256"));
      const { adopt } = await import("../src/operations/releases/manage.ts");
      await adopt(system, "app", run);
      const failed = await undo(system, second.operation, { reason: "" }, run);
      assert.equal(failed.outcome, "rolled-back", failed.error);
      assert.equal(links(folder)[0], "v1.1.0");
      const copy = path.join(folder, ".app.db.lastgood", `=before-${second.operation}`, "app.db");
      using database = new DatabaseSync(copy);
      assert.equal(database.prepare("SELECT word FROM t").get()?.["word"], "before");
    },
    STORES,
  );
});
