import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import type { Run } from "../src/base/events.ts";
import { backup } from "../src/operations/backup.ts";
import { forget, type ForgetOptions } from "../src/operations/forget.ts";
import { recover, recoverable } from "../src/operations/recover.ts";
import { previewRestore, restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { throughPoint } from "./support/given-up.ts";
import {
  bulk,
  changeAliases,
  changeSettings,
  createIndex,
  indexOf,
} from "./support/search/indices.ts";
import { type SearchOptions, type SearchServer, startSearch } from "./support/search/server.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: indices come back as they were, each document to the byte, with mappings, settings and aliases;
// newer ones go; whatever the server does meanwhile, what is live is the old or the new in the end.
// Method: an imitation of the published interface with a memory of its own; see support/search.

const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };

async function newStore(folder: string, server: SearchServer, more: object = {}): Promise<System> {
  await writeFile(path.join(folder, "key"), "sesame");
  await writeFile(path.join(folder, "es.key"), "sesame");
  const elasticsearch = {
    endpoint: server.endpoint,
    indices: ["ragflow_*"],
    user: "elastic",
    password: { file: "es.key" },
    ...more,
  };
  return await newSystem(folder, { stores: { index: { elasticsearch } } });
}

/** As an application writes them: numbers, line ends and spaces as they are. */
function put(
  server: SearchServer,
  index: string,
  id: string,
  source: string,
  routing?: string,
): void {
  const head = JSON.stringify({
    index: { _id: id, ...(routing === undefined ? {} : { routing }) },
  });
  bulk(server.state, index, `${head}\n${source}\n`);
}

function fillIn(server: SearchServer): void {
  const { state } = server;
  createIndex(state, "ragflow_a", {
    settings: { index: { number_of_shards: 2, number_of_replicas: 0, refresh_interval: "1000ms" } },
    mappings: { properties: { q_768_vec: { type: "dense_vector", dims: 2 } }, dynamic: "strict" },
    aliases: { current: { is_write_index: true } },
  });
  createIndex(state, "ragflow_b", { mappings: { properties: { n: { type: "long" } } } });
  createIndex(state, "others", {});
  put(server, "others", "1", "{}");
  put(
    server,
    "ragflow_b",
    "odd id/ü",
    `{"n": 9007199254740993, "x":1.0, "t":"a\\n\\"b\\u2028","e":{}}`,
    "r 1",
  );
  for (let at = 0; at < 620; at++)
    put(server, "ragflow_a", `${at}`, `{"q_768_vec":[${at}.0,1e-3]}`);
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : 1;

/** All that is there and is not ours, as the server has it. */
function contentOf({ state }: SearchServer): object {
  const found = [...state.indices].filter(([name]) => !name.startsWith("lastgood-"));
  return Object.fromEntries(
    found.toSorted(byName).map(([name, { settings, mappings, aliases, docs }]) => {
      const { uuid: _1, creation_date: _2, provided_name: _3, ...own } = settings;
      return [name, { own, mappings, aliases, docs: [...docs].toSorted(byName) }];
    }),
  );
}

const ownIndices = ({ state }: SearchServer): string[] =>
  [...state.indices.keys()].filter((name) => name.startsWith("lastgood-"));

function change(server: SearchServer): void {
  put(server, "ragflow_a", "5", `{"q_768_vec":[0,0]}`);
  indexOf(server.state, "ragflow_a").docs.delete("7");
  indexOf(server.state, "ragflow_a").visible.delete("7");
  server.state.indices.delete("ragflow_b");
  createIndex(server.state, "ragflow_newer", {});
  put(server, "ragflow_newer", "1", "{}");
}

async function filled(
  folder: string,
  options: SearchOptions = {},
): Promise<[SearchServer, System]> {
  const server = await startSearch({ password: "sesame", ...options });
  fillIn(server);
  return [server, await newStore(folder, server)];
}

suite("elasticsearch", { timeout: 300_000, concurrency: 3 }, () => {
  for (const distribution of ["elasticsearch", "opensearch"] as const) {
    test(`${distribution}: comes back to the byte, newer ones go; undo; through a point`, async () => {
      await using temporary = await temporaryFolder();
      const [server, system] = await filled(temporary.path, { distribution });
      await using _server = server;
      using _system = system;
      const then = contentOf(server);
      const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
      assert(valid, [...errors, ...warnings].join());
      assert.deepEqual([...server.state.views.keys()], [], "nothing is left open");
      assert.deepEqual((await validate(system, stamp, run)).errors, []);
      change(server);
      const changed = contentOf(server);
      const { loss } = await previewRestore(system, stamp, BACK, run);
      assert.match(loss["app/index"]!.join(), /table ragflow_newer: 1 rows now, no then/);
      server.state.rejects = 1;
      const back = await restore(system, stamp, BACK, run);
      assert.equal(back.outcome, "committed", back.error);
      assert.deepEqual(contentOf(server), then);
      await throughPoint(system, `before-${back.operation}`, async () => {
        assert.deepEqual(contentOf(server), changed);
      });
      assert.deepEqual(contentOf(server), then);
      const undone = await undo(system, back.operation, { reason: "" }, run);
      assert.equal(undone.outcome, "committed", undone.error);
      assert.deepEqual(contentOf(server), changed);
      const version = `before-${undone.operation}`;
      assert.equal(new Set(ownIndices(server).map((name) => name.slice(0, 21))).size, 1, version);
    });
  }

  test("each request of a restore lost once, before or after it acted: all is as it should be", async () => {
    await using temporary = await temporaryFolder();
    const [server, system] = await filled(temporary.path);
    await using _server = server;
    using _system = system;
    const then = contentOf(server);
    const { stamp } = await backup(system, ALL, run);
    change(server);
    const changed = contentOf(server);
    let tried = 0;
    for (const fault of ["cut after", "cut before", "503"] as const) {
      for (let at = fault === "cut after" ? 2 : 1, total = 3; at < total; at++) {
        let number = 0;
        server.fault = () => (++number === at ? fault : undefined);
        const back = await restore(system, stamp, BACK, run);
        total = number;
        assert.equal(back.outcome, "committed", `${fault} ${at}: ${back.error}`);
        assert.deepEqual(contentOf(server), then, `${fault} ${at}`);
        server.fault = () => undefined;
        const undone = await undo(system, back.operation, { reason: "" }, run);
        assert.equal(undone.outcome, "committed", undone.error);
        assert.deepEqual(contentOf(server), changed, `${fault} ${at}: undone`);
        tried++;
        // All of them take minutes; each kind of request is among every seventh, and of two faults one
        // falls on the odd and one on the even.
        at += process.env["LASTGOOD_TEST_CRASH"] === "all" ? 1 : 6;
      }
    }
    assert(tried > 10);
  });

  test("a server that is gone in the middle: once it is there, recover ends with what was live", async () => {
    await using temporary = await temporaryFolder();
    const [server, system] = await filled(temporary.path);
    await using _server = server;
    using _system = system;
    const { stamp } = await backup(system, ALL, run);
    change(server);
    const before = contentOf(server);
    const mutating = /^(PUT|DELETE|POST) .*(_clone|_settings|ragflow_[a-z]+$)/;
    for (const gone of [2, 7, 13]) {
      let number = 0;
      server.fault = (method, url) => {
        if (mutating.test(`${method} ${url}`) && !url.includes("_doc")) number++;
        return number >= gone ? "cut before" : undefined;
      };
      const { outcome } = await restore(system, stamp, BACK, run);
      assert.notEqual(outcome, "committed", String(gone));
      server.fault = () => undefined;
      await recover(recoverable(system), run);
      assert.deepEqual(contentOf(server), before, `gone at ${gone}`);
    }
  });

  test("what is not live, or not the store's, is left alone; what acts on an index acts on no version", async () => {
    await using temporary = await temporaryFolder();
    await using server = await startSearch({ password: "sesame" });
    fillIn(server);
    const { indices } = server.state;
    changeSettings(indexOf(server.state, "ragflow_b"), {
      "lifecycle.name": "gone-soon",
      default_pipeline: "drops-all",
      auto_expand_replicas: "0-1",
      "blocks.write": "true",
    });
    using system = await newStore(temporary.path, server);
    const then = contentOf(server);
    const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
    assert(valid, [...errors, ...warnings].join());
    // An alias of somebody else's index that fits the pattern; the write index has moved.
    indexOf(server.state, "others").aliases = { ragflow_extra: {} };
    indexOf(server.state, "ragflow_a").aliases = {};
    changeAliases(server.state, {
      actions: [{ add: { index: "ragflow_b", alias: "current", is_write_index: true } }],
    });
    const others = indices.get("others");
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.equal(indices.get("others"), others, "it is not the store's");
    others!.aliases = {};
    assert.deepEqual(contentOf(server), then);
    for (const [name, { settings }] of indices) {
      if (!name.startsWith("lastgood-")) continue;
      assert(!("lifecycle.name" in settings) && !("default_pipeline" in settings), name);
    }
    assert.equal((await undo(system, back.operation, { reason: "" }, run)).outcome, "committed");
    // A closed one would be taken away without a copy.
    indexOf(server.state, "ragflow_b").settings["verified_before_close"] = "true";
    const refused = await restore(system, stamp, BACK, run);
    assert.match(refused.error ?? "", /switch ragflow_b: it is closed/);
    assert(indices.has("ragflow_b"));
    assert.deepEqual((await backup(system, ALL, run)).errors, ["index_ragflow_b_is_closed"]);
  });

  test("a copy that is not there in time takes nothing away", async () => {
    await using temporary = await temporaryFolder();
    const [server, system] = await filled(temporary.path);
    await using _server = server;
    using _system = system;
    const { stamp } = await backup(system, ALL, run);
    change(server);
    const before = contentOf(server);
    server.fault = (_, url) => (url.startsWith("/_cluster/health/lastgood-") ? "408" : undefined);
    const back = await restore(system, stamp, BACK, run);
    assert.match(back.error ?? "", /no documents, not/);
    assert.deepEqual(contentOf(server), before);
  });

  test("a wrong password, a server that is down, shards that are missing, no index: invalid, with the reason", async () => {
    await using temporary = await temporaryFolder();
    const [server, system] = await filled(temporary.path);
    await using _server = server;
    using _system = system;
    const tellsOf = async (): Promise<string> => {
      const { valid, errors, warnings } = await backup(system, ALL, run);
      assert(!valid);
      return [...errors, ...warnings].join("; ");
    };
    await writeFile(path.join(temporary.path, "es.key"), "wrong");
    const refused = await tellsOf();
    assert.match(refused, /index_unreadable.*missing authentication credentials/);
    assert(!refused.includes("wrong"));
    await writeFile(path.join(temporary.path, "es.key"), "sesame");
    server.fault = (_, url) => (url.startsWith("/_search") ? "shards failed" : undefined);
    assert.match(await tellsOf(), /index_unreadable.*1 shards did not answer/);
    server.fault = () => "cut before";
    assert.match(await tellsOf(), /index_unreadable/);
    server.fault = () => undefined;
    server.state.indices.clear();
    assert.match(await tellsOf(), /index_missing.*there is no index ragflow_\*/);
  });

  test("the server's own snapshots: a name of our own, PARTIAL is not good, path.repo is explained", async () => {
    await using temporary = await temporaryFolder();
    await using server = await startSearch({ password: "sesame" });
    fillIn(server);
    const own = { repository: "backups" };
    using system = await newStore(temporary.path, server, { snapshots: own });
    const none = await backup(system, ALL, run);
    assert.match(none.warnings.join(), /the server has none of this name/);
    server.snapshots.set("backups", new Map());
    const then = contentOf(server);
    const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
    assert(valid, [...errors, ...warnings].join());
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
    change(server);
    const changed = contentOf(server);
    assert.equal((await backup(system, ALL, run)).valid, true, "the second week");
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.deepEqual(contentOf(server), then);
    assert.equal((await undo(system, back.operation, { reason: "" }, run)).outcome, "committed");
    assert.deepEqual(contentOf(server), changed);
    server.snapshotsEnd = "PARTIAL";
    const partial = await backup(system, ALL, run);
    assert.deepEqual([partial.valid, partial.errors], [false, ["index_snapshot_is_not_whole"]]);
    assert.match(partial.warnings.join(), /is PARTIAL: ragflow_a: node left/);
    server.snapshots.get("backups")!.clear();
    const gone = await restore(system, stamp, BACK, run);
    assert.equal(gone.outcome, "aborted");
    assert.match(gone.error ?? "", /snapshot does not exist/);
    assert.deepEqual(contentOf(server), changed);
  });

  test("a snapshot of the server's own goes with its point, and with no other", async () => {
    await using temporary = await temporaryFolder();
    await using server = await startSearch({ password: "sesame" });
    fillIn(server);
    using system = await newStore(temporary.path, server, { snapshots: { repository: "backups" } });
    server.snapshots.set("backups", new Map());
    const there = server.snapshots.get("backups")!;
    const first = await backup(system, ALL, run);
    const [own] = there.keys();
    const second = await backup(system, ALL, run);
    await backup(system, ALL, run);
    assert.equal(there.size, 3);
    const going = (stamp: string): ForgetOptions => ({ points: [stamp], plan: false });
    await forget(system, { ...going(first.stamp), plan: true }, "", run);
    assert.equal(there.size, 3);
    await forget(system, going(first.stamp), "", run);
    assert.deepEqual([there.size, there.has(own!)], [2, false]);
    server.fault = (method) => (method === "DELETE" ? "cut before" : undefined);
    const said: string[] = [];
    const report: Run["report"] = (event) => {
      if (event.type === "warning") said.push(event.message);
    };
    const { removed } = await forget(system, going(second.stamp), "", { ...run, report });
    assert.deepEqual(removed, [second.stamp]);
    assert.match(said.join(), /still keeps something for/);
    assert.equal(there.size, 2);
  });

  test("without path.repo the server makes no repository, and why is said", async () => {
    await using temporary = await temporaryFolder();
    await using server = await startSearch({ password: "sesame", hasPathRepo: false });
    fillIn(server);
    const snapshots = { repository: "backups", location: "/snapshots" };
    using system = await newStore(temporary.path, server, { snapshots });
    const { warnings } = await backup(system, ALL, run);
    assert.match(warnings.join(), /path\.repo because this setting is empty/);
    assert.match(warnings.join(), /set it in elasticsearch.yml/);
  });
});
