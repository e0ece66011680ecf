import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { validate } from "../src/operations/validate.ts";
import { type Fault, faultyProxy } from "./support/faulty-proxy.ts";
import { restic, resticVersion } from "./support/restic.ts";
import { hasS3, KEYS, type S3, startS3 } from "./support/s3.ts";
import { skipWithout } from "./support/servers.ts";
import { throughPoint } from "./support/given-up.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: buckets of a real S3 come back as they were, each object with all that it has, and newer ones go.

const skip =
  skipWithout(hasS3(), "Ceph (.ci/run fetches it)") || skipWithout(resticVersion(), "restic");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };

suite("buckets", { skip, timeout: 300_000 }, () => {
  let server: S3;
  before(async () => {
    server = await startS3();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const put = async (
    Bucket: string,
    Key: string,
    Body: string | Buffer,
    more = {},
  ): Promise<void> => {
    await server.client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
  };

  /** All that is there, but for what is ours. */
  const contentOf = async (buckets: readonly string[]): Promise<Record<string, string>> => {
    const found: Record<string, string> = {};
    for (const Bucket of buckets) {
      const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket }));
      for (const { Key = "" } of Contents) {
        if (Key.startsWith(".lastgood/")) continue;
        const object = await server.client.send(new GetObjectCommand({ Bucket, Key }));
        const { TagSet } = await server.client.send(new GetObjectTaggingCommand({ Bucket, Key }));
        const body = await object.Body!.transformToByteArray();
        const { ContentType, Metadata, CacheControl } = object;
        const digest = Buffer.from(body).toString("base64").slice(0, 60);
        found[`${Bucket}/${Key}`] = JSON.stringify([
          body.length,
          digest,
          ContentType,
          Metadata,
          CacheControl,
          TagSet,
        ]);
      }
    }
    return found;
  };

  async function openIn(
    folder: string,
    buckets: unknown,
    endpoint = server.endpoint,
  ): Promise<System> {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "ak"), KEYS.accessKey);
    await writeFile(path.join(folder, "sk"), KEYS.secretKey);
    const s3 = { endpoint, buckets, "access-key": { file: "ak" }, "secret-key": { file: "sk" } };
    return await newSystem(folder, { stores: { objects: { s3 } } });
  }

  const odd = [
    "plain.txt",
    "a",
    "a/b",
    "a.b",
    "dots/../x",
    "dots/./y",
    "two//slashes",
    "ends/",
    "100%",
    "ü 日本",
    `long/${"x".repeat(400)}`,
  ];

  test("come back with names, types, metadata and tags; newer ones go; undo; restic has them", async () => {
    await using temporary = await temporaryFolder();
    const buckets = [await server.bucket(), await server.bucket()];
    using system = await openIn(temporary.path, buckets);
    const [one, two] = buckets as [string, string];
    for (const key of odd) await put(one, key, `content of ${key}`);
    const rich = {
      ContentType: "text/x",
      Metadata: { who: "me" },
      CacheControl: "no-store",
      Tagging: "a=1&b=2",
    };
    await put(two, "rich", "rich", rich);
    await put(two, "large", Buffer.alloc(20_000_000, "large "));
    await put(two, "empty", "");
    const then = await contentOf(buckets);
    const { valid, stamp, errors, warnings } = await backup(system, ALL, run);
    assert(valid, [...errors, ...warnings].join());
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
    const out = path.join(temporary.path, "out");
    await restic(system.config.repository.at, "restore", "latest", "--target", out);
    const file = path.join(out, "stores/app/objects/objects", one, "plain.txt");
    assert.equal(await readFile(file, "utf8"), "content of plain.txt");

    await put(one, "newer", "newer");
    await put(one, "plain.txt", "CONTENT of plain.txt");
    await server.client.send(new DeleteObjectCommand({ Bucket: two, Key: "rich" }));
    await server.client.send(new DeleteObjectCommand({ Bucket: two, Key: "large" }));
    const changed = await contentOf(buckets);
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.deepEqual(await contentOf(buckets), then);
    await throughPoint(system, `before-${back.operation}`, async () => {
      assert.deepEqual(await contentOf(buckets), changed);
    });
    const undone = await undo(system, back.operation, { reason: "" }, run);
    assert.equal(undone.outcome, "committed", undone.error);
    assert.deepEqual(await contentOf(buckets), changed);
  });

  test("trap-24: a change of the same size is seen; what did not change is not read again", async () => {
    await using temporary = await temporaryFolder();
    const bucket = await server.bucket();
    let reads = 0;
    await using proxy = await faultyProxy(server.host, ({ method, url = "" }) => {
      if (method === "GET" && /object-/.test(url)) reads++;
      return "none";
    });
    using system = await openIn(temporary.path, { match: `^${bucket}$` }, `http://${proxy.host}`);
    for (let n = 0; n < 30; n++) await put(bucket, `object-${n}`, `${n}`.padStart(20_000, "x"));
    const first = await backup(system, ALL, run);
    assert.equal(reads, 30);
    await put(bucket, "object-7", "7".padStart(20_000, "y"));
    const second = await backup(system, ALL, run);
    assert.equal(reads, 31);
    assert(second.bytesAdded < first.bytesAdded);
    const { outcome } = await restore(system, first.stamp, BACK, run);
    assert.equal(outcome, "committed");
    const content = await contentOf([bucket]);
    assert.equal(Object.keys(content).length, 30);
    await restore(system, second.stamp, BACK, run);
    const again = await contentOf([bucket]);
    assert.notEqual(again[`${bucket}/object-7`], content[`${bucket}/object-7`]);
  });

  test("throttling and lost answers harm nothing; a bucket that is gone is made again", async () => {
    await using temporary = await temporaryFolder();
    const bucket = await server.bucket();
    let requests = 0;
    const faults: Fault[] = ["none", "throttle", "none", "lose-answer", "none"];
    await using proxy = await faultyProxy(server.host, ({ method }) => {
      const fault = faults[requests++ % faults.length]!;
      return fault === "lose-answer" && method === "GET" ? "none" : fault;
    });
    using system = await openIn(temporary.path, [bucket], `http://${proxy.host}`);
    for (let n = 0; n < 20; n++) await put(bucket, `object-${n}`, `content ${n}`);
    const then = await contentOf([bucket]);
    const { stamp, valid, warnings } = await backup(system, ALL, run);
    assert(valid, warnings.join());
    for (let n = 0; n < 20; n++) {
      await server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: `object-${n}` }));
    }
    const { outcome, error } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "committed", error);
    assert.deepEqual(await contentOf([bucket]), then);
  });

  test("each object is read with one call, whatever its name", async () => {
    await using temporary = await temporaryFolder();
    const bucket = await server.bucket();
    const names = [...odd, "a+b", "(it's)*!", "%2F", "q?x=1&y#z", "~"];
    for (const key of names) await put(bucket, key, `content of ${key}`);
    const reads: string[] = [];
    await using proxy = await faultyProxy(server.host, ({ method, url = "" }) => {
      if (method === "GET" && !url.includes("list-type")) reads.push(url);
      return "none";
    });
    using system = await openIn(temporary.path, [bucket], `http://${proxy.host}`);
    const { valid, errors } = await backup(system, ALL, run);
    assert(valid, errors.join());
    assert.equal(reads.length, names.length, reads.join("\n"));
  });

  test("what is cut off in the middle is read on, but never from another object", async () => {
    await using temporary = await temporaryFolder();
    const bucket = await server.bucket();
    await put(bucket, "large", randomBytes(3_000_000));
    await put(bucket, "small", randomBytes(90_000));
    const then = await contentOf([bucket]);
    let faults = 0;
    let change: (() => Promise<void>) | undefined;
    await using proxy = await faultyProxy(server.host, ({ method, url = "" }) => {
      if (method !== "GET" || !/(large|small)/.test(url) || faults-- <= 0) return "none";
      void change?.();
      return "half";
    });
    using system = await openIn(temporary.path, [bucket], `http://${proxy.host}`);
    faults = 5;
    const { stamp, valid, errors, warnings } = await backup(system, ALL, run);
    assert(valid, [...errors, ...warnings].join());
    for (const key of ["large", "small"]) await put(bucket, key, "other");
    const { outcome, error } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "committed", error);
    assert.deepEqual(await contentOf([bucket]), then);

    await put(bucket, "large", randomBytes(3_000_000));
    faults = 1;
    change = async () => await put(bucket, "large", randomBytes(3_000_000));
    const changed = await backup(system, ALL, run);
    assert(!changed.valid);
    assert.match(changed.warnings.join(), /large.*changed while it was read/);
  });

  test("a bucket that is not there, wrong keys: invalid, with the reason", async () => {
    await using temporary = await temporaryFolder();
    using system = await openIn(temporary.path, ["no-such-bucket"]);
    const { valid, warnings } = await backup(system, ALL, run);
    assert(!valid);
    assert.match(warnings.join(), /there is no such bucket/);
    await writeFile(path.join(temporary.path, "sk"), "wrong");
    using other = await openIn(path.join(temporary.path, "other"), [await server.bucket()]);
    await writeFile(path.join(temporary.path, "other/sk"), "wrong");
    assert.match((await backup(other, ALL, run)).warnings.join(), /[Ss]ignature/);
  });
});
