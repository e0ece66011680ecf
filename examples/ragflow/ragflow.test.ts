import assert from "node:assert/strict";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { hasEngine } from "../../test/support/engine.ts";
import { hasMariadb } from "../../test/support/mariadb.ts";
import { restic, resticVersion } from "../../test/support/restic.ts";
import { hasS3 } from "../../test/support/s3.ts";
import { indexOf } from "../../test/support/search/indices.ts";
import { skipWithout } from "../../test/support/servers.ts";
import { newWorld, type World } from "./world.ts";

// Goal: the story of README.md: one recovery point over MySQL, buckets, Elasticsearch's interface and
// Redis; all of it lost, and back in the procedure's order; and the proof that the stores fit together.
// Method: real servers in a real container engine, but for Elasticsearch, which is imitated.

const skip =
  skipWithout(hasEngine(), "docker.io and busybox-static") ||
  skipWithout(hasMariadb(), "mariadb-server") ||
  skipWithout(hasS3(), "Ceph (.ci/run fetches it)") ||
  skipWithout(resticVersion(), "restic");

const ONE = "0123456789abcdef0123456789abcdef";
const TWO = "fedcba9876543210fedcba9876543210";

suite("ragflow", { skip, timeout: 600_000 }, () => {
  let world: World;
  before(async () => {
    world = await newWorld();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  const ended = async (code: number, ...args: string[]): Promise<string> => {
    const { code: got, out } = await world.lastgood(...args);
    assert.equal(got, code, `lastgood ${args.join(" ")}: ${out}`);
    return out;
  };

  /** All that there is, in words that can be compared. */
  const everything = async (): Promise<object> => {
    const objects: Record<string, string> = {};
    for (const Bucket of [ONE, TWO]) {
      const { Contents = [] } = await world.s3.client.send(new ListObjectsV2Command({ Bucket }));
      for (const { Key = "" } of Contents) {
        if (Key.startsWith(".lastgood/")) continue;
        const { Body } = await world.s3.client.send(new GetObjectCommand({ Bucket, Key }));
        objects[`${Bucket}/${Key}`] = await Body!.transformToString();
      }
    }
    return {
      rows: await world.sql(
        "USE rag_flow; SELECT * FROM document ORDER BY id; SELECT * FROM knowledgebase ORDER BY id",
      ),
      objects,
      chunks: [...indexOf(world.search.state, world.index).docs.keys()].toSorted(),
      queue: await world.redis("LRANGE", "rag_flow_svr_queue", "0", "-1"),
    };
  };

  let then: object;
  let stamp: string;

  test("one point over four stores, with its consistency and skew", async () => {
    await ended(0, "init");
    for (const [kb, count] of [
      [ONE, 3],
      [TWO, 2],
    ] as const) {
      for (let at = 1; at <= count; at++)
        await world.document(kb, `paper ${at}.pdf`, `content ${at} of ${kb}`, at * 4);
    }
    await world.redis("RPUSH", "rag_flow_svr_queue", "task 1", "task 2");
    assert.equal((await world.healthz()).status, 200);
    const health = await ended(0, "health");
    assert.match(health, /files-of-documents +good +required +5 rows have what they refer to/);
    assert.match(health, /chunks-of-documents +good +required +2 rows have what they refer to/);
    then = await everything();
    const out = await ended(0, "backup", "--json");
    const { value } = JSON.parse(out.trim().split("\n").at(-1) ?? "") as {
      value: Record<string, never>;
    };
    stamp = value["stamp"]!;
    assert.deepEqual([value["valid"], value["consistency"]], [true, "ordered"]);
    assert(Number(value["skewMs"]) > 0);
    // Rows before what they refer to.
    const steps = [...out.matchAll(/"step":"capture ([a-z/]+)"/g)].map(([, name]) => name);
    assert.deepEqual(
      [...new Set(steps)],
      ["ragflow/db", "redis/queue", "ragflow/files", "ragflow/index"],
    );
    await ended(0, "validate", stamp);
    await restic(path.join(world.root, "repository"), "check", "--read-data");
  });

  test("the plan is the procedure's order: stop, objects, MySQL, index, start, verify", async () => {
    const plan = await ended(0, "restore", stamp, "--plan");
    const order = [
      "stopped ragflow",
      "active ragflow/files",
      "active ragflow/db",
      "active ragflow/index",
      "running ragflow",
      "healthy ragflow",
    ];
    const found = order.map((step) => plan.indexOf(step));
    assert(
      found.every((at, index) => at > (found[index - 1] ?? -1)),
      `${found.join()}\n${plan}`,
    );
  });

  test("documents without their files, and chunks that are missing, are seen", async () => {
    await world.s3.client.send(new DeleteObjectCommand({ Bucket: ONE, Key: "paper 1.pdf" }));
    await world.s3.client.send(
      new PutObjectCommand({ Bucket: TWO, Key: "paper 2.pdf", Body: "short" }),
    );
    const index = indexOf(world.search.state, world.index);
    const [first = ""] = index.docs.keys();
    index.docs.delete(first);
    index.visible.delete(first);
    const health = await ended(1, "health");
    assert.match(
      health,
      new RegExp(
        `bad +required +of 5 rows: ${ONE}/paper 1.pdf is missing; ${TWO}/paper 2.pdf has 5 bytes, not \\d+`,
      ),
    );
    assert.match(
      health,
      new RegExp(`bad +required +of 2 rows: ${world.index} has 23 documents of ${ONE}, not 24`),
    );
  });

  test("all is lost: everything comes back, and fits together", async () => {
    await world.document(TWO, "newer.pdf", "newer", 2);
    await world.sql("DROP DATABASE rag_flow");
    world.search.state.indices.delete(world.index);
    await world.redis("FLUSHALL");
    assert.equal((await world.healthz()).status, 500);
    const out = await ended(0, "restore", stamp, "--yes");
    assert.match(out, /: committed, /);
    assert.deepEqual(await everything(), then);
    const { status, body } = await world.healthz();
    assert.deepEqual([status, body["status"]], [200, "ok"]);
    await ended(0, "health");
  });

  test("a point whose stores do not fit together is not kept: what was live comes back", async () => {
    await world.s3.client.send(new DeleteObjectCommand({ Bucket: ONE, Key: "paper 3.pdf" }));
    const torn = await ended(0, "backup", "--json");
    const { value } = JSON.parse(torn.trim().split("\n").at(-1) ?? "") as {
      value: { stamp: string };
    };
    await world.s3.client.send(
      new PutObjectCommand({ Bucket: ONE, Key: "paper 3.pdf", Body: `content 3 of ${ONE}` }),
    );
    const now = await everything();
    const out = await ended(22, "restore", value.stamp, "--yes");
    assert.match(out, /files-of-documents is bad: of 5 rows: .*paper 3\.pdf is missing/);
    assert.deepEqual(await everything(), now);
    assert.equal((await world.healthz()).status, 200);
  });

  test("somebody else who is connected to the database stops nothing but the restore", async () => {
    const now = await everything();
    const other = world.sql("USE rag_flow; SELECT SLEEP(16)").catch(() => "");
    const out = await ended(22, "restore", stamp, "--store", "ragflow/db", "--yes");
    assert.match(out, /root has 1 connections/);
    await other;
    assert.deepEqual(await everything(), now);
    assert.equal((await world.healthz()).status, 200);
  });
});
