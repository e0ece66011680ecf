import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import type { _Object as Listed, PutObjectCommand } from "@aws-sdk/client-s3";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { litterBox } from "../base/litter.ts";
import { type Backend, isKey, type Key, type ObjectInfo, type SpoolFile } from "./backend.ts";
import type { S3Place } from "./s3-place.ts";
import { get, type S3Reading } from "./s3-read.ts";
import { clientFor } from "../s3/client.ts";
import { quickGet } from "../s3/quick-get.ts";
import { isDamaged, isMissing, nextToken, statusOf, translateS3Error } from "../s3/errors.ts";

export type S3Config = S3Place & {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** So long nothing may move on a connection. Default: 30 s. */
  readonly silentMs?: number | undefined;
  /** So long nobody can remove what is put; undefined: whoever may. Needs a bucket with object lock. */
  readonly lock?:
    | { readonly mode: "GOVERNANCE" | "COMPLIANCE"; readonly forMs: number }
    | undefined;
  readonly now: () => Date;
  /** A local folder for files on their way there. */
  readonly spoolFolder: string;
};

const PUTS_MAX = 3;

/**
 * Objects in a bucket, in the layout that restic has there. Throttling, 503 and broken connections
 * are tried again; what an answer that was lost had done already is recognised.
 */
export async function s3Backend(config: S3Config): Promise<Backend> {
  const sdk = await import("@aws-sdk/client-s3");
  const { bucket, prefix, label, spoolFolder } = config;
  const client = clientFor(sdk, config);
  const s3: S3 = {
    sdk,
    client,
    quick: quickGet(config),
    label,
    prefix,
    until: () =>
      config.lock === undefined
        ? undefined
        : { mode: config.lock.mode, date: new Date(config.now().getTime() + config.lock.forMs) },
    litter: litterBox(),
    place: (key) => ({ Bucket: bucket, Key: prefix === "" ? key : `${prefix}/${key}` }),
  };
  return {
    label,
    localFolder: undefined,
    spoolFolder,
    put: (key, data, run) => put(s3, key, data, run),
    get: (key, range, run, into) => get(s3, key, range, run, into),
    list: (start, run) => list(s3, start, run),
    remove: (key, run) => remove(s3, key, run),
    ...(config.lock === undefined ? {} : { keepLonger: (key, run) => keepLonger(s3, key, run) }),
    async [Symbol.asyncDispose]() {
      client.destroy();
      s3.quick[Symbol.dispose]();
    },
  };
}

type S3 = S3Reading & {
  readonly prefix: string;
  /** Until when what is put now is locked. */
  readonly until: () =>
    | { readonly mode: "GOVERNANCE" | "COMPLIANCE"; readonly date: Date }
    | undefined;
};

async function put(
  s3: S3,
  key: Key,
  data: Uint8Array | SpoolFile,
  run: Run,
  attempt = 1,
): Promise<void> {
  const { sdk, client, label, place } = s3;
  run.signal.throwIfAborted();
  const body = data instanceof Uint8Array ? data : await readFile(data.file);
  const lock = key.startsWith("locks/") ? undefined : s3.until();
  const command = new sdk.PutObjectCommand({
    ...place(key),
    Body: body,
    IfNoneMatch: "*",
    ...(lock === undefined
      ? {}
      : {
          ObjectLockMode: lock.mode,
          ObjectLockRetainUntilDate: lock.date,
          // Whoever locks has to say what it is that is locked.
          ContentMD5: createHash("md5").update(body).digest("base64"),
        }),
  });
  const id = /[0-9a-f]{64}$/.exec(key)?.[0];
  if (id !== undefined) sayHash(command, id);
  try {
    await client.send(command, { abortSignal: run.signal });
  } catch (error) {
    run.signal.throwIfAborted();
    // Two who write the same at once are told to try again; and what arrived damaged is read and sent again.
    if ((statusOf(error) === 409 || isDamaged(error)) && attempt < PUTS_MAX)
      return await put(s3, key, data, run, attempt + 1);
    if (statusOf(error) !== 412) throw translateS3Error(error, `write ${key} in ${label}`);
    // Of several attempts the first may have done it, and only its answer was lost.
    if ((attemptsOf(error) === 1 && attempt === 1) || !(await isThere(s3, key, body, run))) {
      throw new AppError("ALREADY_EXISTS", `write ${key} in ${label}: already exists`);
    }
  }
  if (!(data instanceof Uint8Array)) await rm(data.file, { force: true });
}

/**
 * Files are named by the hash of their bytes, and what is signed has such a hash: the server so proves that what
 * reached it is what was made, and nobody has to go through it once more.
 */
function sayHash(command: PutObjectCommand, id: string): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = id;
      return await next(args);
    },
    { step: "build", name: "sayHash" },
  );
}

/** Whether what is there is what was to be put. */
async function isThere(s3: S3, key: Key, body: Uint8Array, run: Run): Promise<boolean> {
  const { sdk, client, place } = s3;
  const command = new sdk.HeadObjectCommand(place(key));
  const found = await client.send(command, { abortSignal: run.signal });
  if (found.ContentLength !== body.length) return false;
  const etag = found.ETag?.replaceAll('"', "");
  if (etag === createHash("md5").update(body).digest("hex")) return true;
  // With encryption by the server's keys the ETag says nothing.
  return Buffer.from(await get(s3, key, "all", run)).equals(body);
}

async function* list(s3: S3, start: string, { signal }: Run): AsyncGenerator<ObjectInfo> {
  const { sdk, client, label, prefix, place } = s3;
  const { Bucket, Key: Prefix } = place(start);
  let token: string | undefined;
  do {
    signal.throwIfAborted();
    const from = token === undefined ? {} : { ContinuationToken: token };
    const command = new sdk.ListObjectsV2Command({ Bucket, Prefix, ...from });
    const page = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw translateS3Error(error, `list ${label}`);
    });
    for (const object of page.Contents ?? []) {
      const key = keyOf(object, prefix);
      if (key !== undefined) yield { key, sizeBytes: object.Size ?? 0 };
    }
    token = nextToken(page, `list ${label}`);
  } while (token !== undefined);
}

async function remove({ sdk, client, label, place }: S3, key: Key, { signal }: Run): Promise<void> {
  signal.throwIfAborted();
  const command = new sdk.DeleteObjectCommand(place(key));
  await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    if (!isMissing(error)) throw translateS3Error(error, `remove ${key} in ${label}`);
  });
}

async function keepLonger(s3: S3, key: Key, { signal }: Run): Promise<void> {
  const { sdk, client, label, place } = s3;
  const lock = s3.until();
  if (lock === undefined) return;
  const Retention = { Mode: lock.mode, RetainUntilDate: lock.date };
  const command = new sdk.PutObjectRetentionCommand({ ...place(key), Retention });
  await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    if (!isMissing(error)) throw translateS3Error(error, `lock ${key} in ${label}`);
  });
}

function attemptsOf(error: unknown): number {
  return (error as { $metadata?: { attempts?: number } }).$metadata?.attempts ?? 1;
}

function keyOf({ Key: name = "" }: Listed, prefix: string): Key | undefined {
  const key = prefix === "" ? name : name.slice(prefix.length + 1);
  return isKey(key) ? key : undefined;
}
