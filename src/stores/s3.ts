import { createHash } from "node:crypto";
import { inParallel } from "../base/in-parallel.ts";
import { litterBox } from "../base/litter.ts";
import { once } from "../base/once.ts";
import { hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import type { S3Access } from "../s3/client.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import { type Buckets, type Listed, openBuckets } from "./bucket/buckets.ts";
import type { Place } from "./bucket/calls.ts";
import { type Entry, idOf, MANIFEST, readEntries, writeEntries } from "./bucket/manifest.ts";
import { objectNames } from "./bucket/names.ts";
import { type Context, liveIn, readList, sideKey } from "./bucket/lists.ts";
import { versionFiles } from "./version-files.ts";
import { bucketVersions } from "./bucket/versions.ts";
import { type Captured, errorWord, type ServerStore, type StoreContext } from "./store.ts";
import type { Version } from "../slots/slot.ts";

export type S3StoreConfig = Pick<S3Access, "endpoint" | "region"> & {
  /** Asked for when they are needed. */
  readonly keys: () => Promise<Pick<S3Access, "accessKey" | "secretKey">>;
  /** Names, or what names have to match. */
  readonly buckets: readonly string[] | { readonly match: string };
  /** Only objects whose keys begin so. */
  readonly prefix: string;
  /** As people know it. */
  readonly where: string;
  /** A local folder, where lists of versions lie. */
  readonly folder: string;
};

const OBJECTS = "objects";
/** Half of them are on their way from the server, and half into the repository. */
const AT_ONCE = 32;
/** Up to this size an object is one chunk. */
const WHOLE_BYTES_MAX = 512 * 1024;

/** Objects of one or many buckets. */
export function s3Store(config: S3StoreConfig, { name, now, effects }: StoreContext): ServerStore {
  const { endpoint, region, keys, where } = config;
  const buckets = once(
    async (): Promise<Buckets> => await openBuckets({ endpoint, region, ...(await keys()) }, where),
  );
  const files = versionFiles(config.folder, effects);
  const context: Context = { config, name, open: buckets, files };
  return {
    kind: "s3",
    name,
    where,
    async capture(into, at, run) {
      const objects = liveObjects(config, await buckets(), run);
      return await capture(objects, await buckets(), name, now, into, at, run);
    },
    async captureVersion(version, into, at, run) {
      const entries = await readList(context, version);
      const objects = versionObjects(entries, version);
      return await capture(objects, await buckets(), name, now, into, at, run);
    },

    async loss(from, at, _facts, run) {
      const then = new Map<string, Entry>();
      for await (const entry of readEntries(from.stream(`${at}/${MANIFEST}`))) {
        then.set(idOf(entry), entry);
      }
      return await lossIn(config, await buckets(), then, run);
    },

    async sizes(run) {
      const sizes = new Map<string, number>();
      for await (const object of liveObjects(config, await buckets(), run)) {
        sizes.set(idOf(object), object.size);
      }
      return sizes;
    },

    versions: bucketVersions(context),
  };
}

/** Where an object is read, and what it is called in a point. */
type Found = Listed & {
  readonly name: string;
  readonly from: Place;
  /** Whether its bytes have to be those of its ETag. */
  readonly isFixed?: boolean;
};

/** What is live, bucket by bucket. */
async function* liveObjects(
  config: S3StoreConfig,
  buckets: Buckets,
  run: Run,
): AsyncGenerator<Found> {
  for (const bucket of await chosenBuckets(config, buckets, run)) {
    const nameOf = objectNames();
    for await (const object of liveIn(buckets, bucket, config.prefix, run)) {
      yield { ...object, name: `${OBJECTS}/${bucket}/${nameOf(object.key)}`, from: object };
    }
  }
}

/** What a version consists of: what lies aside, and what is live and was the same then. */
async function* versionObjects(entries: readonly Entry[], version: Version): AsyncGenerator<Found> {
  for (const [bucket, own] of Map.groupBy(entries, (entry) => entry.bucket)) {
    const nameOf = objectNames();
    for (const { key, size, etag, aside } of own) {
      const from = aside === true ? { bucket, key: sideKey(version, key) } : { bucket, key };
      const name = `${OBJECTS}/${bucket}/${nameOf(key)}`;
      yield { bucket, key, size, etag, name, from, isFixed: aside !== true };
    }
  }
}

async function capture(
  found: AsyncIterable<Found>,
  buckets: Buckets,
  name: string,
  now: () => Date,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  return await orUnreadable(name, isCallFailed, async () => {
    const before = await entriesBefore(into, at);
    const entries: Entry[] = [];
    const litter = litterBox();
    const rows: Record<string, number> = {};
    let bytes = 0;
    let changed = 0;
    await inParallel(found, AT_ONCE, async (object) => {
      const known = await unchanged(object, before.get(idOf(object)), into, at);
      const entry = known ?? (await stored(object, buckets, into, at, metadata, run));
      if (known === undefined) litter(object.size);
      if (object.isFixed === true && entry?.etag !== object.etag) changed++;
      // Whoever has gone since it was listed is not part of it.
      if (entry === undefined) return;
      entries.push(entry);
      rows[object.bucket] = (rows[object.bucket] ?? 0) + 1;
      bytes += entry.size;
    });
    entries.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
    await into.stream(`${at}/${MANIFEST}`, writeEntries(entries), metadata);
    const errors = changed === 0 ? [] : [errorWord(name, `lacks_${changed}_objects`)];
    return { facts: { bytes, files: entries.length, rows }, errors, warnings: [] };
  });
}

/** Whether it is the server that says no. */
const isCallFailed = (error: unknown): boolean => CALLS.some((code) => hasCode(error, code));

const CALLS = ["UNAVAILABLE", "REFUSED", "WRONG_KEY", "NOT_FOUND", "SOURCE_FAILED"] as const;

async function entriesBefore(into: Writer, at: string): Promise<ReadonlyMap<string, Entry>> {
  const before = new Map<string, Entry>();
  const manifest = await into.previous(`${at}/${MANIFEST}`);
  if (manifest === undefined) return before;
  for await (const entry of readEntries(manifest)) before.set(idOf(entry), entry);
  return before;
}

/** With the same ETag and size it has the same bytes: it is not read again. */
async function unchanged(
  { etag, size, name }: Found,
  before: Entry | undefined,
  into: Writer,
  at: string,
): Promise<Entry | undefined> {
  if (before?.etag !== etag || before.size !== size || before.name !== name) return undefined;
  return (await into.reuse(`${at}/${name}`, size)) ? before : undefined;
}

async function stored(
  object: Found,
  buckets: Buckets,
  into: Writer,
  at: string,
  metadata: Parameters<Writer["bytes"]>[2],
  run: Run,
): Promise<Entry | undefined> {
  const { bucket, key, name, from } = object;
  const found = await buckets.get(from, object.size, run);
  if (found === undefined) return undefined;
  const { body, size, etag } = found;
  const hash = createHash("md5");
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of body) {
      hash.update(part);
      yield part;
    }
  };
  if (size <= WHOLE_BYTES_MAX) {
    await into.bytes(`${at}/${name}`, Buffer.concat(await Array.fromAsync(hashed())), metadata);
  } else {
    await into.stream(`${at}/${name}`, hashed(), metadata);
  }
  // Of an object that was put in parts, or is encrypted, the ETag says something else.
  const isOther = /^[0-9a-f]{32}$/.test(etag) && hash.digest("hex") !== etag;
  if (isOther) {
    run.report({ type: "warning", message: `${bucket}/${key}: its ETag is not that of its bytes` });
  }
  return { bucket, key, name, size, etag, metadata: found.metadata };
}

/** NOT_FOUND when one that was named is not there. */
async function chosenBuckets(
  { buckets: wanted }: S3StoreConfig,
  buckets: Buckets,
  run: Run,
): Promise<readonly string[]> {
  if (!("match" in wanted)) return wanted;
  const pattern = new RegExp(wanted.match, "u");
  return (await buckets.names(run)).filter((bucket) => pattern.test(bucket));
}

const LINES_MAX = 10;

async function lossIn(
  config: S3StoreConfig,
  buckets: Buckets,
  then: ReadonlyMap<string, Entry>,
  run: Run,
): Promise<readonly string[]> {
  const lines: string[] = [];
  let more = 0;
  const tell = (line: string): void => {
    if (lines.length < LINES_MAX) lines.push(line);
    else more++;
  };
  for (const bucket of await chosenBuckets(config, buckets, run)) {
    for await (const object of liveIn(buckets, bucket, config.prefix, run)) {
      const entry = then.get(idOf(object));
      if (entry === undefined) tell(`added since: ${idOf(object)}`);
      else if (entry.etag !== object.etag) tell(`changed since: ${idOf(object)}`);
    }
  }
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}
