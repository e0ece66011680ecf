import { open, rm, stat, truncate } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, nothingThere, systemCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";

const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
/** So long nothing may come before an attempt counts as cut. */
const IDLE_MS_MAX = 30_000;

export type Expected = {
  readonly bytes: number | undefined;
  /** Whether a checksum will tell if it is the right file. */
  readonly isCertain: boolean;
};

/**
 * Fetches a URL into a file, going on where an earlier attempt was cut (RFC 9110, 14.2). With a
 * known size never more than that is written. UNAVAILABLE when all attempts fail.
 */
export async function download(
  url: string,
  file: string,
  { bytes, isCertain }: Expected,
  run: Run,
): Promise<void> {
  const from = withoutCredentials(url);
  // Without a checksum nobody could tell that two halves are of two files, but the server.
  const seen: Seen = { isCertain, etag: undefined };
  if (!isCertain) await rm(file, { force: true });
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchRest(from, file, bytes, seen, run);
    } catch (error) {
      run.signal.throwIfAborted();
      const isOurs = error instanceof AppError && error.code !== "UNAVAILABLE";
      const isDisk = systemCode(error) !== undefined && systemCode(error)?.startsWith("E") === true;
      if (isOurs || isDisk || attempt === ATTEMPTS) {
        throw translate(error, from.label, isCertain);
      }
      const message = `fetch: ${whyCut(error)}; trying again (${attempt})`;
      run.report({ type: "warning", message });
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal: run.signal });
    }
  }
}

/** Where to fetch from, what may be shown of it, and what has to be said to be let in. */
type Place = {
  readonly url: string;
  readonly label: string;
  readonly headers: Readonly<Record<string, string>>;
};

function withoutCredentials(text: string): Place {
  const url = new URL(text);
  const { username, password, host } = url;
  url.username = "";
  url.password = "";
  if (username === "" && password === "") return { url: url.href, label: host, headers: {} };
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
  return { url: url.href, label: host, headers: { authorization } };
}

/** What tells whether what comes next belongs to what has come: a checksum, or the server's word for it. */
type Seen = { readonly isCertain: boolean; etag: string | undefined };

async function fetchRest(
  { url, label, headers }: Place,
  file: string,
  bytes: number | undefined,
  seen: Seen,
  run: Run,
): Promise<void> {
  const have = (await stat(file).catch(nothingThere))?.size ?? 0;
  const canGoOn = seen.isCertain || seen.etag !== undefined;
  if (canGoOn && bytes !== undefined && have === bytes) return;
  const isUseless = have > 0 && (!canGoOn || (bytes !== undefined && have > bytes));
  if (isUseless) await truncate(file, 0);
  const from = isUseless ? 0 : have;
  // Should it be another file by now, it comes from its beginning.
  const condition = seen.etag === undefined ? {} : { "if-range": seen.etag };
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error("nothing came for 30 s")), IDLE_MS_MAX);
  try {
    const response = await fetch(url, {
      redirect: "error",
      headers: from === 0 ? headers : { ...headers, ...condition, range: `bytes=${from}-` },
      signal: AbortSignal.any([run.signal, idle.signal]),
    });
    // Everything had been fetched; only its checksum can tell whether it is the same file still.
    if (response.status === 416) return;
    if (response.status !== 200 && response.status !== 206) throw refused(label, response.status);
    // A server that knows no ranges begins anew.
    const start = response.status === 206 ? rangeStart(response, from) : 0;
    if (start > 0) refuseOther(response, seen);
    if (start === 0) seen.etag = strongEtag(response);
    const total = bytes ?? start + Number(response.headers.get("content-length") ?? 0);
    await using handle = await open(file, start === 0 ? "w" : "r+");
    let at = start;
    for await (const part of response.body ?? []) {
      timer.refresh();
      if (bytes !== undefined && at + part.length > bytes) {
        throw new AppError(
          "INVALID_PACKAGE",
          `fetch from ${label}: its size is more than ${bytes} bytes`,
        );
      }
      await handle.write(part, 0, part.length, at);
      at += part.length;
      run.report({ type: "progress", step: "fetch", bytesDone: at, bytesTotal: total });
    }
    await handle.sync();
    if (total > 0 && at < total) throw new Error(`it ended after ${at} of ${total} bytes`);
  } finally {
    clearTimeout(timer);
  }
}

/** Some servers send a part whatever they were told to compare: then it is begun anew. */
function refuseOther(response: Response, seen: Seen): void {
  if (seen.etag === undefined || strongEtag(response) === seen.etag) return;
  seen.etag = undefined;
  throw new AppError("UNAVAILABLE", "the server sent a part of another file");
}

/** Undefined where the server does not vouch for every byte (RFC 9110, 8.8.1). */
function strongEtag({ headers }: Response): string | undefined {
  const etag = headers.get("etag") ?? undefined;
  return etag?.startsWith('"') === true ? etag : undefined;
}

function rangeStart(response: Response, asked: number): number {
  const [, start] = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "") ?? [];
  if (Number(start) === asked) return asked;
  throw new AppError("UNAVAILABLE", "the server sent another part than was asked for");
}

function refused(label: string, status: number): AppError {
  const code = status === 404 || status === 410 ? "NOT_FOUND" : "UNAVAILABLE";
  return new AppError(code, `fetch from ${label}: the server answers ${status}`, {
    hint: "See whether the address is right and the server is up.",
  });
}

function whyCut(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

function translate(error: unknown, label: string, isCertain: boolean): unknown {
  if (error instanceof AppError || systemCode(error)?.startsWith("E") === true) return error;
  return new AppError("UNAVAILABLE", `fetch from ${label}: ${whyCut(error)}`, {
    hint: isCertain
      ? "What came is kept: the next attempt goes on where this one ended."
      : "Try again. With --sha256 it would go on where this one ended.",
    cause: error,
  });
}
