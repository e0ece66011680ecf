import type { Run } from "../../base/events.ts";
import { clientFor, type S3Access } from "../../s3/client.ts";
import { quickGet } from "../../s3/quick-get.ts";
import { nextToken, translateS3Error } from "../../s3/errors.ts";
import { type Client, nameOf, type Place, plain, send } from "./calls.ts";
import { type Metadata, type ObjectRead, readObject } from "./read-object.ts";

/** An object as it is listed. */
export type Listed = {
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  readonly etag: string;
};

/** The calls of S3 that a store needs. UNAVAILABLE, REFUSED, WRONG_KEY, NOT_FOUND. */
export type Buckets = {
  names(run: Run): Promise<string[]>;
  make(bucket: string, run: Run): Promise<void>;
  list(bucket: string, prefix: string, run: Run): AsyncGenerator<Listed>;
  /** An object of the size that it was listed with; undefined when it has gone meanwhile. */
  get(place: Place, sizeListed: number, run: Run): Promise<ObjectRead | undefined>;
  put(
    place: Place,
    body: AsyncIterable<Uint8Array>,
    size: number,
    metadata: Metadata,
    run: Run,
  ): Promise<void>;
  /** By the server itself, with all that it has; returns the new ETag. */
  copy(from: Place, to: Place, run: Run): Promise<void>;
  remove(bucket: string, keys: readonly string[], run: Run): Promise<void>;
};

/** Larger ones go in parts, which S3 wants to have at least 5 MiB. */
const PART_BYTES = 16 * 1024 * 1024;
const REMOVED_AT_ONCE = 1000;

export async function openBuckets(access: S3Access, label: string): Promise<Buckets> {
  const sdk = await import("@aws-sdk/client-s3");
  const s3: Client = { sdk, client: clientFor(sdk, access), quick: quickGet(access), label };
  return {
    async names(run) {
      const found = await send(s3, new sdk.ListBucketsCommand({}), "list the buckets", run);
      return (found.Buckets ?? []).flatMap(({ Name }) => Name ?? []);
    },
    async make(bucket, run) {
      await send(s3, new sdk.CreateBucketCommand({ Bucket: bucket }), `make bucket ${bucket}`, run);
    },
    list: (bucket, prefix, run) => list(s3, bucket, prefix, run),
    get: (place, sizeListed, run) => readObject(s3, place, sizeListed, run),
    put: (place, body, size, metadata, run) => put(s3, place, body, size, metadata, run),
    async copy(from, to, run) {
      const source = `${from.bucket}/${from.key.split("/").map(encodeURIComponent).join("/")}`;
      const command = new sdk.CopyObjectCommand({ ...nameOf(to), CopySource: source });
      await send(s3, command, `copy ${from.key}`, run);
    },
    async remove(bucket, keys, run) {
      for (let at = 0; at < keys.length; at += REMOVED_AT_ONCE) {
        const Objects = keys.slice(at, at + REMOVED_AT_ONCE).map((Key) => ({ Key }));
        const command = new sdk.DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects, Quiet: true },
        });
        const { Errors = [] } = await send(s3, command, `remove from ${bucket}`, run);
        const [first] = Errors;
        // What could not be removed is answered with 200.
        if (first !== undefined) {
          throw translateS3Error(
            Object.assign(new Error(first.Message ?? ""), {
              name: first.Code ?? "Error",
              $metadata: { httpStatusCode: 403 },
            }),
            `remove ${first.Key} from ${bucket}`,
          );
        }
      }
    },
  };
}

async function* list(s3: Client, bucket: string, prefix: string, run: Run): AsyncGenerator<Listed> {
  let token: string | undefined;
  do {
    const command = new s3.sdk.ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    const page = await send(s3, command, `list ${bucket}`, run);
    for (const { Key: key = "", Size: size = 0, ETag = "" } of page.Contents ?? []) {
      yield { bucket, key, size, etag: plain(ETag) };
    }
    token = nextToken(page, `list ${bucket}`);
  } while (token !== undefined);
}

async function put(
  s3: Client,
  place: Place,
  body: AsyncIterable<Uint8Array>,
  size: number,
  { type, own, tags, encoding, disposition, cache }: Metadata,
  run: Run,
): Promise<void> {
  const { sdk } = s3;
  const doing = `write ${place.bucket}/${place.key}`;
  const tagging = new URLSearchParams(tags ?? {}).toString();
  const common = {
    ...nameOf(place),
    ...(type === undefined ? {} : { ContentType: type }),
    ...(own === undefined ? {} : { Metadata: { ...own } }),
    ...(tagging === "" ? {} : { Tagging: tagging }),
    ...(encoding === undefined ? {} : { ContentEncoding: encoding }),
    ...(disposition === undefined ? {} : { ContentDisposition: disposition }),
    ...(cache === undefined ? {} : { CacheControl: cache }),
  };
  if (size <= PART_BYTES) {
    const parts = await Array.fromAsync(body);
    await send(s3, new sdk.PutObjectCommand({ ...common, Body: Buffer.concat(parts) }), doing, run);
    return;
  }
  const { UploadId } = await send(s3, new sdk.CreateMultipartUploadCommand(common), doing, run);
  const upload = { ...nameOf(place), UploadId };
  try {
    const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
    for await (const part of partsOf(body)) {
      const PartNumber = Parts.length + 1;
      const command = new sdk.UploadPartCommand({ ...upload, PartNumber, Body: part });
      Parts.push({ ETag: (await send(s3, command, doing, run)).ETag, PartNumber });
    }
    const done = new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } });
    await send(s3, done, doing, run);
  } catch (error) {
    // Parts that nobody completes cost room that nobody sees.
    const toTheEnd = { ...run, signal: new AbortController().signal };
    await send(s3, new sdk.AbortMultipartUploadCommand(upload), doing, toTheEnd).catch(() => {});
    throw error;
  }
}

async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    held.push(part);
    bytes += part.length;
    if (bytes < PART_BYTES) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}
