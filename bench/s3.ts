import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { KEYS, type S3, startS3 } from "../test/support/s3.ts";
import { farAway } from "../test/support/far.ts";
import { makeMixed, warm } from "./data.ts";
import { install } from "./installed.ts";

// A repository in S3 beside restic's on the same server, and a bucket as a store, in one run:
// npm run bench:s3. The server is Ceph on this machine, and takes its share of the processor; then the same
// server again as if it were far away.

const ROUNDS = 3;
/** 20 ms there and back, and what one connection to a large provider carries. */
const FAR = { delayMs: 10, bytesPerMs: 30_000 };
/** The data of `npm run bench`; the server, anew each round, keeps all in six gigabytes of memory. */
const MEGABYTES = 1536;
const MIXED = path.resolve(import.meta.dirname, "data/full/mixed");
const OBJECTS = 10_000;
const OBJECT_BYTES = 64 * 1024;
/** The repository alone, as `npm run bench` has it; the command does more: safety copy, plan, checks, sync. */
const ALONE = path.resolve(import.meta.dirname, "lastgood.mjs");

await using installed = await install();

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const environment = {
  ...process.env,
  AWS_ACCESS_KEY_ID: KEYS.accessKey,
  AWS_SECRET_ACCESS_KEY: KEYS.secretKey,
  RESTIC_PASSWORD: "a password",
};

function seconds(folder: string, program: string, ...args: string[]): number {
  const started = performance.now();
  execFileSync(program, args, {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return (performance.now() - started) / 1000;
}

async function configure(folder: string, repository: object, store: object): Promise<void> {
  await writeFile(path.join(folder, "key"), "a password");
  const config = {
    system: "bench",
    repository: { password: { file: "key" }, ...repository },
    components: { app: { stores: { data: store } } },
  };
  // JSON is YAML.
  await writeFile(path.join(folder, "lastgood.yaml"), JSON.stringify(config));
  await rm(path.join(folder, ".lastgood"), { recursive: true, force: true });
}

const keys = {
  "access-key": { env: "AWS_ACCESS_KEY_ID" },
  "secret-key": { env: "AWS_SECRET_ACCESS_KEY" },
};

async function benchRepository(
  folder: string,
  where: string,
  reach: (server: S3) => Promise<Reached>,
): Promise<void> {
  const times: Record<string, number[]> = {};
  const time = (what: string, program: string, ...args: string[]): void => {
    (times[what] ??= []).push(seconds(folder, program, ...args));
  };
  for (let round = 0; round < ROUNDS; round++) {
    await using server = await startS3();
    await using reached = await reach(server);
    const { host } = reached;
    const bucket = await server.bucket();
    const at = `s3://${host}/${bucket}`;
    await configure(folder, { at: `${at}/lastgood`, s3: keys }, { folder: "files" });
    seconds(folder, process.execPath, installed.main, "init");
    const alone = [process.execPath, ALONE] as const;
    seconds(folder, ...alone, "init", `${at}/alone`);
    const restic = ["restic", "--no-cache", "-r", `s3:http://${host}/${bucket}/restic`] as const;
    seconds(folder, ...restic, "init");
    warm(path.join(folder, "files"));
    // The server gets slower the more it keeps: each goes first in one round.
    const inTurn = (...all: [what: string, program: string, ...args: string[]][]): void => {
      const from = round % all.length;
      for (const one of [...all.slice(from), ...all.slice(0, from)]) time(...one);
    };
    const main = [process.execPath, installed.main] as const;
    inTurn(
      ["backup, repository", ...alone, "backup", `${at}/alone`, path.join(folder, "files")],
      ["backup, restic", ...restic, "backup", "files"],
      ["backup, command", ...main, "backup"],
    );
    inTurn(
      ["restore, repository", ...alone, "restore", `${at}/alone`, path.join(folder, "again")],
      ["restore, restic", ...restic, "restore", "latest", "--target", "out"],
      ["restore, command", ...main, "restore", "latest", "--yes"],
    );
    for (const made of ["out", "again"]) await rm(path.join(folder, made), { recursive: true });
  }
  for (const what of ["backup", "restore"]) {
    const theirs = median(times[`${what}, restic`]!);
    for (const how of ["repository", "command"]) {
      const own = median(times[`${what}, ${how}`]!);
      say(
        `S3 ${where}, ${what}, ${how}: ${own.toFixed(1)} s, restic ${theirs.toFixed(1)} s: ${(theirs / own).toFixed(2)}x`,
      );
    }
  }
}

async function benchStore(server: S3, folder: string): Promise<void> {
  const bucket = await server.bucket();
  await mkdir(path.join(folder, "same"));
  for (let at = 0; at < OBJECTS; at += 50) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const Body = randomBytes(OBJECT_BYTES);
        await writeFile(path.join(folder, `same/${at + n}`), Body);
        await server.client.send(new PutObjectCommand({ Bucket: bucket, Key: `${at + n}`, Body }));
      }),
    );
  }
  const s3 = { endpoint: server.endpoint, buckets: [bucket], ...keys };
  const [firsts, agains, theirs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const made of ["repository", "restic"]) {
      await rm(path.join(folder, made), { recursive: true, force: true });
    }
    await configure(folder, { at: "repository" }, { s3 });
    seconds(folder, process.execPath, installed.main, "init");
    firsts.push(seconds(folder, process.execPath, installed.main, "backup"));
    agains.push(seconds(folder, process.execPath, installed.main, "backup"));
    seconds(folder, "restic", "-r", "restic", "init");
    theirs.push(seconds(folder, "restic", "-r", "restic", "backup", "same"));
  }
  const [first, again, own] = [median(firsts), median(agains), median(theirs)];
  say(
    `bucket of ${OBJECTS} objects, first: ${first.toFixed(1)} s, restic from the disk ${own.toFixed(1)} s: ${(first / own).toFixed(2)}x; nothing changed: ${again.toFixed(1)} s`,
  );
}

/** By which address a server is asked. */
type Reached = { readonly host: string } & AsyncDisposable;

const folder = await mkdtemp("/var/tmp/lg-bench-");
try {
  makeMixed(MIXED, MEGABYTES);
  await cp(MIXED, path.join(folder, "files"), { recursive: true });
  await benchRepository(folder, "here", async ({ host }) => ({
    host,
    [Symbol.asyncDispose]: async () => {},
  }));
  await benchRepository(folder, "far away", ({ host }) => farAway(Number(host.split(":")[1]), FAR));
  await using server = await startS3();
  await benchStore(server, folder);
} finally {
  await rm(folder, { recursive: true, force: true });
}
