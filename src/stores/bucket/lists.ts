import { createReadStream } from "node:fs";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import type { S3StoreConfig } from "../s3.ts";
import type { VersionFiles } from "../version-files.ts";
import type { Buckets, Listed } from "./buckets.ts";
import { type Entry, idOf, readEntries, writeEntries } from "./manifest.ts";

/** Objects below it are ours, and part of no point. */
const SIDE = ".lastgood/";
/** What is live of a bucket. */
export async function* liveIn(
  buckets: Buckets,
  bucket: string,
  prefix: string,
  run: Run,
): AsyncGenerator<Listed> {
  for await (const object of buckets.list(bucket, prefix, run)) {
    if (!object.key.startsWith(SIDE)) yield object;
  }
}

export type Context = {
  readonly config: S3StoreConfig;
  readonly name: string;
  readonly open: () => Promise<Buckets>;
  /** A list a version. */
  readonly files: VersionFiles;
};

export const sideKey = (version: Version, key: string): string => `${SIDE}${version}/${key}`;

export async function readList({ files }: Context, version: Version): Promise<Entry[]> {
  return await Array.fromAsync(readEntries(createReadStream(files.fileOf(version))));
}

/** With it the version is ready: all that it names has to be in its place. */
export async function writeList(
  { files }: Context,
  version: Version,
  entries: readonly Entry[],
): Promise<void> {
  await files.put(version, writeEntries(entries));
}

/** All that is live, by bucket and key; buckets that are named and gone are empty. */
export async function listLive(
  { config, open }: Context,
  run: Run,
  also: readonly Entry[] = [],
): Promise<Map<string, Listed>> {
  const buckets = await open();
  const live = new Map<string, Listed>();
  const { buckets: wanted } = config;
  const named =
    "match" in wanted
      ? (await buckets.names(run)).filter((one) => new RegExp(wanted.match, "u").test(one))
      : wanted;
  for (const bucket of new Set([...named, ...also.map((entry) => entry.bucket)])) {
    try {
      for await (const object of liveIn(buckets, bucket, config.prefix, run)) {
        live.set(idOf(object), object);
      }
    } catch (error) {
      if (!isNoBucket(error)) throw error;
    }
  }
  return live;
}

export function isNoBucket(error: unknown): boolean {
  return hasCode(error, "REFUSED") && (error as Error).message.includes("there is no such bucket");
}

export async function listAside(
  { open }: Context,
  version: Version,
  entries: readonly Entry[],
  run: Run,
): Promise<Map<string, Listed>> {
  const buckets = await open();
  const aside = new Map<string, Listed>();
  for (const bucket of new Set(entries.map((entry) => entry.bucket))) {
    const prefix = sideKey(version, "");
    for await (const object of buckets.list(bucket, prefix, run)) {
      const place = { ...object, key: object.key.slice(prefix.length) };
      aside.set(idOf(place), place);
    }
  }
  return aside;
}
