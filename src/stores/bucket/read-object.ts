import type { Readable } from "node:stream";
import type { GetObjectCommandOutput } from "@aws-sdk/client-s3";
import type { Run } from "../../base/events.ts";
import { isMissing, statusOf, translateS3Error } from "../../s3/errors.ts";
import type { Answer as QuickAnswer } from "../../s3/http/connections.ts";
import { type AskRest, type Body, changed, readOn } from "./read-on.ts";
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

type Answer = Body & { readonly metadata: Metadata; readonly isTagged: boolean };

/**
 * Undefined when there is none. The size that it was listed with counts where the server does not say it.
 * UNAVAILABLE, REFUSED, WRONG_KEY; SOURCE_FAILED when it changes meanwhile.
 */
export async function readObject(
  s3: Client,
  place: Place,
  sizeListed: number,
  run: Run,
): Promise<ObjectRead | undefined> {
  const doing = `read ${place.bucket}/${place.key} in ${s3.label}`;
  const ask = async (part: Part): Promise<Answer | undefined> =>
    await askSdk(s3, place, sizeListed, part, doing, run);
  const quick = await s3.quick.get(place.bucket, place.key, run.signal);
  const answer = quick === undefined ? await ask({}) : ofQuick(quick);
  if (answer === undefined) return undefined;
  const { isTagged, size, etag, metadata } = answer;
  // Of an answer that nobody reads the connection would be lost.
  const tags = await (isTagged ? tagsOf(s3, place, run) : undefined)?.catch((error: unknown) => {
    quick?.[Symbol.dispose]();
    throw error;
  });
  const askRest: AskRest = async (from, known) =>
    await ask({ Range: `bytes=${from}-`, IfMatch: `"${known}"` });
  const body = readOn(answer, doing, askRest, run);
  return { body, size, etag, metadata: { ...metadata, tags } };
}

type Part = { readonly Range?: string; readonly IfMatch?: string };

async function askSdk(
  { sdk, client }: Client,
  place: Place,
  sizeListed: number,
  part: Part,
  doing: string,
  { signal }: Run,
): Promise<Answer | undefined> {
  try {
    const command = new sdk.GetObjectCommand({ ...nameOf(place), ...part });
    return ofSdk(await client.send(command, { abortSignal: signal }), sizeListed);
  } catch (error) {
    signal.throwIfAborted();
    if (isMissing(error)) return undefined;
    if (statusOf(error) === PRECONDITION_FAILED) throw changed(doing);
    throw translateS3Error(error, doing);
  }
}

const PRECONDITION_FAILED = 412;
/** Of what there is a part: RFC 9110, 14.4. */
const CONTENT_RANGE = /^bytes (\d+)-\d+\/(\d+)$/;

function ofSdk(found: GetObjectCommandOutput, sizeListed: number): Answer {
  const [, from, size] = CONTENT_RANGE.exec(found.ContentRange ?? "") ?? [];
  return {
    body: found.Body as Readable,
    from: Number(from ?? 0),
    size: size === undefined ? (found.ContentLength ?? sizeListed) : Number(size),
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
  const text = (name: string): string | undefined => answer.headers[name];
  const own = Object.keys(answer.headers).filter((name) => name.startsWith(OWN));
  return {
    body: answer.pieces(),
    from: 0,
    size: answer.sizeBytes,
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
