import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { free } from "../base/litter.ts";
import type { Key, Range } from "./backend.ts";
import { statusOf, translateS3Error } from "../s3/errors.ts";
import type { Answer } from "../s3/http/connections.ts";
import type { QuickGet } from "../s3/quick-get.ts";

/** What reading out of a bucket takes. */
export type S3Reading = {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: S3Client;
  readonly quick: QuickGet;
  readonly label: string;
  /** Hears of each piece that came and was copied. */
  readonly litter: (bytes: number) => void;
  readonly place: (key: string) => { readonly Bucket: string; readonly Key: string };
};

const READS_MAX = 3;
const BODY_MS_MAX = 10 * 60_000;
/** And this much longer the more it is: several share a line that may be slow. */
const BODY_BYTES_PER_MS_MIN = 5;

/**
 * Reads an object, or a part of it, into `into` where that is given. The client itself tries again to get an
 * answer, but not one that broke off in the middle. NOT_FOUND; CORRUPT when it is shorter; UNAVAILABLE.
 */
export async function get(
  s3: S3Reading,
  key: Key,
  range: Range | "all",
  run: Run,
  into?: Uint8Array,
): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const { wanted, readTo, doing } = await answerTo(s3, key, range, run);
    try {
      const { bytes, got } = await readTo(into);
      if (got === wanted) return bytes;
      throw new AppError("CORRUPT", `${doing}: ${got} bytes, ${wanted} expected`);
    } catch (error) {
      run.signal.throwIfAborted();
      if (hasCode(error, "CORRUPT")) throw error;
      if (attempt === READS_MAX) throw translateS3Error(error, doing);
    }
  }
}

/** The bytes, and how many there were: only as many as were wanted are all there. */
type BytesRead = { readonly bytes: Uint8Array; readonly got: number };

type Answered = {
  readonly wanted: number;
  readonly readTo: (into: Uint8Array | undefined) => Promise<BytesRead>;
  readonly doing: string;
};

async function answerTo(
  s3: S3Reading,
  key: Key,
  range: Range | "all",
  { signal }: Run,
): Promise<Answered> {
  const { sdk, client, quick, label, place } = s3;
  signal.throwIfAborted();
  const doing = `read ${key} in ${label}`;
  try {
    const asked = { ...place(key), ...rangeHeader(range) };
    // A body that comes to a halt in the middle must not be waited for for ever.
    const bytes = range === "all" ? 0 : range.lengthBytes;
    const bodyMs = BODY_MS_MAX + Math.ceil(bytes / BODY_BYTES_PER_MS_MIN);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(bodyMs)]);
    const answer = await quick.get(asked.Bucket, asked.Key, limit, asked.Range);
    if (answer !== undefined) {
      const wanted = range === "all" ? answer.sizeBytes : range.lengthBytes;
      return { wanted, readTo: (into) => readAll(answer, into, wanted), doing };
    }
    const command = new sdk.GetObjectCommand(asked);
    const { Body: body, ContentLength } = await client.send(command, { abortSignal: limit });
    const wanted = range === "all" ? (ContentLength ?? 0) : range.lengthBytes;
    return { wanted, readTo: (into) => readBody(body as Readable, into, wanted, s3.litter), doing };
  } catch (error) {
    signal.throwIfAborted();
    if (statusOf(error) === 416) throw new AppError("CORRUPT", `${doing}: it is too short`);
    throw translateS3Error(error, doing);
  }
}

function rangeHeader(range: Range | "all"): { Range?: string } {
  if (range === "all") return {};
  const { offsetBytes, lengthBytes } = range;
  return { Range: `bytes=${offsetBytes}-${offsetBytes + lengthBytes - 1}` };
}

async function readAll(
  answer: Answer,
  into: Uint8Array | undefined,
  wanted: number,
): Promise<BytesRead> {
  // Also when there is no memory for it, its connection is for others again.
  using _answer = answer;
  const got = answer.sizeBytes;
  if (got !== wanted) return { bytes: new Uint8Array(), got };
  const bytes = into ?? new Uint8Array(wanted);
  for (let at = 0; at < got;) at += await answer.read(bytes.subarray(at, got));
  return { bytes, got };
}

/** Into one piece of memory: joining what comes in pieces would cost as much as fetching it. */
async function readBody(
  body: Readable,
  into: Uint8Array | undefined,
  wanted: number,
  litter: S3Reading["litter"],
): Promise<BytesRead> {
  const bytes = into ?? new Uint8Array(wanted);
  let got = 0;
  body.on("data", (part: Buffer<ArrayBuffer>) => {
    if (got + part.length <= wanted) bytes.set(part, got);
    got += part.length;
    litter(part.length);
    free(part);
  });
  await finished(body);
  return { bytes, got };
}
