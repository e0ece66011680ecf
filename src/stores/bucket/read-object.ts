import type { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { isMissing, statusOf, translateS3Error } from "../../s3/errors.ts";
import type { QuickAnswer } from "../../s3/quick-get.ts";
import { type Client, nameOf, type Place, plain, send } from "./calls.ts";

/** What an object has besides its bytes. */
export type Metadata = {
  readonly type?: string | undefined;
  readonly own?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly encoding?: string | undefined;
  readonly disposition?: string | undefined;
  readonly cache?: string | undefined;
};

export type ObjectRead = {
  readonly body: AsyncIterable<Uint8Array>;
  readonly size: number;
  readonly etag: string;
  readonly metadata: Metadata;
};

type Answer = Omit<ObjectRead, "body"> & { readonly body: Readable; readonly isTagged: boolean };

/** Undefined when there is none. UNAVAILABLE, REFUSED, WRONG_KEY; SOURCE_FAILED when it changes. */
export async function readObject(
  s3: Client,
  place: Place,
  run: Run,
): Promise<ObjectRead | undefined> {
  const quick = await s3.quick.get(place.bucket, place.key, run.signal);
  const answer = quick === undefined ? await askSdk(s3, place, {}, run) : ofQuick(quick);
  if (answer === undefined) return undefined;
  const { isTagged, size, etag, metadata } = answer;
  const tags = isTagged ? await tagsOf(s3, place, run) : undefined;
  const body = readOn(answer, s3, place, run);
  return { body, size, etag, metadata: { ...metadata, tags } };
}

const READS_MAX = 6;

/** The bytes of an object: where the connection breaks, it is asked for the rest of the same object. */
async function* readOn(
  answer: Answer,
  s3: Client,
  place: Place,
  run: Run,
): AsyncGenerator<Uint8Array> {
  const { size, etag } = answer;
  const doing = `read ${place.bucket}/${place.key} in ${s3.label}`;
  let at = 0;
  for (let from = answer, reads = 1; ; reads++) {
    try {
      for await (const part of from.body as AsyncIterable<Uint8Array>) {
        at += part.length;
        yield part;
      }
      if (at >= size) return;
      throw new Error(`it ended after ${at} of ${size} bytes`);
    } catch (error) {
      run.signal.throwIfAborted();
      if (at >= size) return;
      if (reads === READS_MAX) throw translateS3Error(error, doing);
    }
    const rest = await askSdk(s3, place, { Range: `bytes=${at}-`, IfMatch: `"${etag}"` }, run);
    if (rest === undefined) throw changed(doing);
    from = rest;
  }
}

const changed = (doing: string): AppError =>
  new AppError("SOURCE_FAILED", `${doing}: it was changed while it was read`, {
    hint: "Back up again, with hold: where it changes all the time.",
  });

async function askSdk(
  { sdk, client, label }: Client,
  place: Place,
  rest: { readonly Range?: string; readonly IfMatch?: string },
  run: Run,
): Promise<Answer | undefined> {
  const doing = `read ${place.bucket}/${place.key} in ${label}`;
  try {
    const command = new sdk.GetObjectCommand({ ...nameOf(place), ...rest });
    return ofSdk(await client.send(command, { abortSignal: run.signal }));
  } catch (error) {
    run.signal.throwIfAborted();
    if (isMissing(error)) return undefined;
    if (statusOf(error) === PRECONDITION_FAILED) throw changed(doing);
    throw translateS3Error(error, doing);
  }
}

const PRECONDITION_FAILED = 412;

function ofSdk(found: GetObjectCommandOutput): Answer {
  return {
    body: found.Body as Readable,
    size: found.ContentLength ?? 0,
    etag: plain(found.ETag ?? ""),
    isTagged: (found.TagCount ?? 0) > 0,
    metadata: {
      type: found.ContentType,
      own: found.Metadata,
      encoding: found.ContentEncoding,
      disposition: found.ContentDisposition,
      cache: found.CacheControl,
    },
  };
}

const OWN = "x-amz-meta-";

/** As the SDK reads the same headers. */
function ofQuick(answer: QuickAnswer): Answer {
  const text = (name: string): string | undefined => answer.headers[name]?.toString();
  const own = Object.keys(answer.headers).filter((name) => name.startsWith(OWN));
  return {
    body: answer,
    size: Number(text("content-length")),
    etag: plain(text("etag") ?? ""),
    isTagged: Number(text("x-amz-tagging-count") ?? 0) > 0,
    metadata: {
      type: text("content-type"),
      own: Object.fromEntries(own.map((name) => [name.slice(OWN.length), text(name) ?? ""])),
      encoding: text("content-encoding"),
      disposition: text("content-disposition"),
      cache: text("cache-control"),
    },
  };
}

async function tagsOf(s3: Client, place: Place, run: Run): Promise<Record<string, string>> {
  const command = new s3.sdk.GetObjectTaggingCommand(nameOf(place));
  const { TagSet = [] } = await send(s3, command, `read tags of ${place.key}`, run);
  return Object.fromEntries(TagSet.map(({ Key = "", Value = "" }) => [Key, Value]));
}
