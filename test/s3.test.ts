import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
} from "@aws-sdk/client-s3";
import { stringify } from "yaml";
import { loadConfig } from "../src/config/load.ts";
import { backup } from "../src/operations/backup.ts";
import { copyPoints } from "../src/operations/copy.ts";
import { completeInit } from "../src/operations/init/init.ts";
import { restore } from "../src/operations/restore.ts";
import { openSystem, type System } from "../src/operations/system.ts";
import { systemClock } from "../src/base/clock.ts";
import { type Fault, faultyProxy } from "./support/faulty-proxy.ts";
import { PASSWORD, resticVersion } from "./support/restic.ts";
import { hasS3, KEYS, type S3, startS3 } from "./support/s3.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a repository in S3 is as good as one in a folder: stock restic reads it, and what goes wrong
// on the way harms nothing.

const skip =
  skipWithout(hasS3(), "Ceph (.ci/run fetches it)") || skipWithout(resticVersion(), "restic");
const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };
const env = { AK: KEYS.accessKey, SK: KEYS.secretKey };

suite("a repository in S3", { skip, timeout: 300_000 }, () => {
  let server: S3;
  before(async () => {
    server = await startS3();
  });
  after(async () => await server[Symbol.asyncDispose]());

  const s3 = { "access-key": { env: "AK" }, "secret-key": { env: "SK" } };

  async function openIn(folder: string, at: string, rest: object = {}): Promise<System> {
    await mkdir(path.join(folder, "files"), { recursive: true });
    await writeFile(path.join(folder, "key"), PASSWORD);
    const config = {
      system: "test",
      repository: { at, password: { file: "key" }, s3 },
      components: { app: { stores: { files: { folder: "files" } } } },
      ...rest,
    };
    await writeFile(path.join(folder, "lastgood.yaml"), stringify(config));
    const loaded = await loadConfig(undefined, folder);
    await completeInit(loaded, env, run).catch((error: unknown) => {
      if ((error as { code?: string }).code !== "ALREADY_EXISTS") throw error;
    });
    return await openSystem(loaded, { env, clock: systemClock });
  }

  const restic = async (place: string, ...args: string[]): Promise<string> => {
    const keys = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey };
    const all = ["-r", `s3:${server.endpoint}/${place}`, "--no-cache", ...args];
    const environment = { ...process.env, ...keys, RESTIC_PASSWORD: PASSWORD };
    return (await promisify(execFile)("restic", all, { env: environment })).stdout;
  };

  test("restic checks and restores it; lastgood restores it", async () => {
    await using temporary = await temporaryFolder();
    const place = `${await server.bucket()}/some/prefix`;
    using system = await openIn(temporary.path, `s3://${server.host}/${place}`);
    const file = path.join(temporary.path, "files/a");
    await writeFile(file, "x".repeat(3_000_000));
    const { valid, stamp } = await backup(system, ALL, run);
    assert(valid);
    assert.match(await restic(place, "check", "--read-data"), /no errors were found/);
    await restic(place, "restore", "latest", "--target", path.join(temporary.path, "out"));
    await rm(file);
    const { outcome } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "committed");
    assert.equal((await readFile(file, "utf8")).length, 3_000_000);
  });

  test("throttling, cuts and answers that are lost harm nothing", async () => {
    await using temporary = await temporaryFolder();
    const place = await server.bucket();
    let requests = 0;
    const faults: Fault[] = ["none", "throttle", "none", "cut", "none", "lose-answer", "none"];
    await using proxy = await faultyProxy(server.host, ({ method }) => {
      const fault = faults[requests++ % faults.length]!;
      return fault === "lose-answer" && method !== "PUT" ? "none" : fault;
    });
    using system = await openIn(temporary.path, `s3://${proxy.host}/${place}`);
    for (let n = 0; n < 5; n++) {
      await writeFile(path.join(temporary.path, `files/${n}`), Buffer.alloc(1_500_000, n));
      assert((await backup(system, ALL, run)).valid);
    }
    const { throttle, cut, "lose-answer": lost } = proxy.seen;
    assert(throttle > 3 && cut > 3 && lost > 3, JSON.stringify(proxy.seen));
    assert.match(await restic(place, "check", "--read-data"), /no errors were found/);
  });

  test("who may only add backs up; what would remove says that it may not", async () => {
    await using temporary = await temporaryFolder();
    const Bucket = await server.bucket();
    using system = await openIn(temporary.path, `s3://${server.host}/${Bucket}`);
    const Statement = [
      {
        Effect: "Deny",
        Principal: "*",
        Action: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        NotResource: [`arn:aws:s3:::${Bucket}/locks/*`],
      },
    ];
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
    await server.client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    for (const text of ["1", "2"]) {
      await writeFile(path.join(temporary.path, "files/a"), text);
      assert((await backup(system, ALL, run)).valid);
    }
    const repository = await system.repository(run);
    const [first] = await repository.snapshots(run);
    await assert.rejects(repository.forget([first!.id], run), { code: "REFUSED" });
    assert.equal((await repository.snapshots(run)).length, 2);
    assert.match(await restic(Bucket, "--no-lock", "check"), /no errors were found/);
  });

  test("what is locked cannot be removed, and prune locks what is needed anew", async () => {
    await using temporary = await temporaryFolder();
    const Bucket = await server.bucket({ lock: true });
    const at = `s3://${server.host}/${Bucket}`;
    const locked = { ...s3, lock: { for: "1h", mode: "governance" } };
    const repository = { at, password: { file: "key" }, s3: locked };
    using system = await openIn(temporary.path, at, { repository });
    await writeFile(path.join(temporary.path, "files/a"), "1");
    assert((await backup(system, ALL, run)).valid);
    const { Contents = [] } = await server.client.send(new ListObjectsV2Command({ Bucket }));
    const untilOf = async (Key: string): Promise<number> => {
      const found = await server.client.send(new HeadObjectCommand({ Bucket, Key }));
      return found.ObjectLockRetainUntilDate?.getTime() ?? 0;
    };
    const pack = Contents.find(({ Key }) => Key?.startsWith("data/"))!.Key!;
    const first = await untilOf(pack);
    assert(first > Date.now() + 3_000_000);
    const { VersionId } = await server.client.send(new HeadObjectCommand({ Bucket, Key: pack }));
    const removal = new DeleteObjectCommand({ Bucket, Key: pack, VersionId });
    await assert.rejects(server.client.send(removal), { name: "AccessDenied" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await (await system.repository(run)).prune("do", run);
    assert((await untilOf(pack)) > first);
    assert.match(await restic(Bucket, "check"), /no errors were found/);
  });

  test("a copy elsewhere is brought up to date, and checked", async () => {
    await using temporary = await temporaryFolder();
    const [from, to] = [await server.bucket(), await server.bucket()];
    const copies = { offsite: { at: `s3://${server.host}/${to}`, password: { file: "key" }, s3 } };
    using system = await openIn(temporary.path, `s3://${server.host}/${from}`, { copies });
    for (const text of ["1", "2"]) {
      await writeFile(path.join(temporary.path, "files/a"), text);
      await backup(system, ALL, run);
      const { copied, checked } = await copyPoints(system, "offsite", [], "", run);
      assert.equal(copied.length, 1);
      assert.deepEqual(checked.errors, []);
    }
    assert.match(await restic(to, "check", "--read-data"), /no errors were found/);
  });

  test("what is wrong is said in one line", async () => {
    await using temporary = await temporaryFolder();
    const Bucket = await server.bucket();
    const says = async (
      at: string,
      keys: Record<string, string>,
      message: RegExp,
    ): Promise<void> => {
      using _system = await openIn(temporary.path, `s3://${server.host}/${Bucket}/a`);
      const config = await readFile(path.join(temporary.path, "lastgood.yaml"), "utf8");
      const other = config.replace(`s3://${server.host}/${Bucket}/a`, at);
      await writeFile(path.join(temporary.path, "lastgood.yaml"), other);
      const loaded = await loadConfig(undefined, temporary.path);
      using system = await openSystem(loaded, { env: keys, clock: systemClock });
      await assert.rejects(backup(system, ALL, run), message);
    };
    const at = `s3://${server.host}/${Bucket}/a`;
    await says(at, { ...env, SK: "wrong" }, /read config in s3:\/\/.*: .*[Ss]ignature/);
    await says(`s3://${server.host}/none/a`, env, /there is no such bucket/);
    await says(
      "s3://127.0.0.1:1/bucket/a",
      env,
      /read config in s3:\/\/127\.0\.0\.1:1\/bucket\/a: .*ECONNREFUSED/,
    );
  });
});
