import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort } from "./releases.ts";

const ROOT = path.resolve(import.meta.dirname, "../../.servers/ceph");
const SCRIPT = path.resolve(import.meta.dirname, "ceph-s3.sh");
const READY_MS_MAX = 120_000;

export const KEYS = { accessKey: "AKTEST", secretKey: "SKTEST" } as const;

/** Whether there is a Ceph: a complete S3, as Debian has it. */
export function hasS3(): boolean {
  return existsSync(path.join(ROOT, "usr/bin/radosgw"));
}

/** A real S3 on loopback, in memory. */
export type S3 = AsyncDisposable & {
  readonly endpoint: string;
  /** host:port */
  readonly host: string;
  /** A bucket of its own. */
  bucket(options?: { readonly lock?: boolean }): Promise<string>;
  readonly client: S3Client;
};

export async function startS3(): Promise<S3> {
  const state = await mkdtemp("/var/tmp/lg-ceph-");
  const port = await freePort();
  const script = spawn("bash", [SCRIPT, ROOT, state, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  await ready(script);
  const host = `127.0.0.1:${port}`;
  const endpoint = `http://${host}`;
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  let made = 0;
  return {
    endpoint,
    host,
    client,
    async bucket({ lock = false } = {}) {
      const Bucket = `bucket-${++made}`;
      await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock }));
      return Bucket;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      const pids = readFileSync(path.join(state, "pids"), "utf8").trim().split("\n").map(Number);
      for (const pid of [...pids, script.pid!]) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It has ended.
        }
      }
      await rm(state, { recursive: true, force: true });
    },
  };
}

async function ready(script: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("Ceph does not start")), READY_MS_MAX);
    const done = (work: () => void): void => {
      clearTimeout(timer);
      work();
    };
    script.once("exit", (code) => done(() => reject(new Error(`Ceph ended with ${code}`))));
    script.stdout!.on("data", (text: Buffer) => {
      if (text.toString().includes("READY")) done(resolve);
    });
  });
}
