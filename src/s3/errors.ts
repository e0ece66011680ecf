import { AppError, systemCode } from "../base/errors.ts";

/** The HTTP status of an answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata
    ?.httpStatusCode;
}

function nameOf(error: unknown): string {
  return (error as { name?: string } | undefined)?.name ?? "";
}

export function isMissing(error: unknown): boolean {
  return (
    nameOf(error) === "NoSuchKey" || (statusOf(error) === 404 && nameOf(error) !== "NoSuchBucket")
  );
}

const DAMAGED: ReadonlySet<string> = new Set([
  "XAmzContentSHA256Mismatch",
  "BadDigest",
  "InvalidDigest",
]);

/** Whether the server says that what reached it is not what it was told would come. */
export function isDamaged(error: unknown): boolean {
  return DAMAGED.has(nameOf(error));
}

const WRONG_KEYS: ReadonlySet<string> = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch"]);
const FULL: ReadonlySet<string> = new Set([
  "QuotaExceeded",
  "InsufficientCapacity",
  "XMinioStorageFull",
]);

/**
 * What S3 says no with, in our words: NOT_FOUND, CORRUPT, WRONG_KEY, REFUSED, NO_SPACE; UNAVAILABLE for what
 * may go away by itself. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
export function translateS3Error(error: unknown, doing: string): unknown {
  if (!(error instanceof Error)) return error;
  const name = nameOf(error);
  const why = error.message === "" || error.message === "UnknownError" ? name : error.message;
  const say = (
    code: ConstructorParameters<typeof AppError>[0],
    what: string,
    hint?: string,
  ): AppError => new AppError(code, `${doing}: ${what}`, { cause: error, hint });
  if (name === "NoSuchBucket") {
    return say("REFUSED", "there is no such bucket", "Make it first, or correct the place.");
  }
  if (isMissing(error)) return say("NOT_FOUND", "not found");
  if (isDamaged(error)) {
    const who = "The line to it is at fault, or the memory or the disk of this machine.";
    return say("CORRUPT", "the server received something else than what was made", who);
  }
  if (WRONG_KEYS.has(name))
    return say("WRONG_KEY", why, "See access-key and secret-key under s3:.");
  if (FULL.has(name) || statusOf(error) === 507) return say("NO_SPACE", why);
  if (statusOf(error) === 403) return say("REFUSED", why, "These keys may not do that there.");
  const status = statusOf(error);
  if (status !== undefined && status < 500 && status !== 429 && status !== 408) {
    return say("REFUSED", `${why} (status ${status})`);
  }
  const system = systemCode(error);
  const hint = "See whether the server runs and can be reached from here.";
  if (name === "TimeoutError") return say("UNAVAILABLE", "no answer in time", hint);
  return say("UNAVAILABLE", system === undefined ? why : `${system} ${why}`.trim(), hint);
}

/** Where a list goes on; undefined at its end. A server that says neither is not believed. */
export function nextToken(
  page: {
    readonly IsTruncated?: boolean | undefined;
    readonly NextContinuationToken?: string | undefined;
  },
  doing: string,
): string | undefined {
  if (page.IsTruncated !== true) return undefined;
  if (page.NextContinuationToken !== undefined) return page.NextContinuationToken;
  throw new AppError("UNAVAILABLE", `${doing}: there is more, and the server does not say where`);
}
