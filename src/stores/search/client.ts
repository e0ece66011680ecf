import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";

export type SearchAccess = {
  readonly endpoint: string;
  readonly user: string | undefined;
  /** Asked for when it is needed. */
  readonly password: () => Promise<string | undefined>;
  /** As people know it. */
  readonly where: string;
};

export type Asked = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  /** JSON, or lines of it. */
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** What it is asked for, for people: "count index x". */
  readonly what: string;
  /** Asked again it would not answer the same. */
  readonly isOnce?: true;
};

/**
 * Calls of Elasticsearch or OpenSearch. What is busy or gone for a moment is asked again, so each call
 * has to be one that can be repeated.
 */
export type Search = {
  /** The answer as it came. UNAVAILABLE, WRONG_KEY, NO_SPACE; else SOURCE_FAILED with the server's words. */
  text(asked: Asked, run: Run): Promise<string>;
  /** Undefined when what it is about is not there. */
  found<T>(asked: Asked, run: Run): Promise<T | undefined>;
  json<T>(asked: Asked, run: Run): Promise<T>;
};

const CALL_MS_MAX = 120_000;
const TRIES_MAX = 5;
const AGAIN_MS = 250;
const BUSY: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** The server's own kind of error, such as index_not_found_exception. */
export class SearchFailure extends AppError {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, message: string, hint: string | undefined) {
    super(codeOf(status, type), message, { hint });
    this.status = status;
    this.type = type;
  }
}

function codeOf(
  status: number,
  type: string,
): "WRONG_KEY" | "NO_SPACE" | "UNAVAILABLE" | "SOURCE_FAILED" {
  if (status === 401 || (status === 403 && type === "security_exception")) return "WRONG_KEY";
  // A server that starts blocks everything, too.
  if (BUSY.has(status)) return "UNAVAILABLE";
  return type === "cluster_block_exception" ? "NO_SPACE" : "SOURCE_FAILED";
}

export function searchClient(access: SearchAccess): Search {
  const text = (asked: Asked, run: Run): Promise<string> => patiently(access, asked, run);
  return {
    text,
    json: async (asked, run) => JSON.parse(await text(asked, run)),
    async found(asked, run) {
      try {
        return JSON.parse(await text(asked, run));
      } catch (error) {
        if (error instanceof SearchFailure && error.status === 404) return undefined;
        throw error;
      }
    },
  };
}

async function patiently(access: SearchAccess, asked: Asked, run: Run): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(access, asked, run);
    } catch (error) {
      run.signal.throwIfAborted();
      const isPassing = error instanceof AppError && error.code === "UNAVAILABLE";
      if (!isPassing || tries === TRIES_MAX || asked.isOnce === true) throw error;
      await sleep(AGAIN_MS * 2 ** (tries - 1), undefined, { signal: run.signal });
    }
  }
}

async function ask(
  { endpoint, user, password, where }: SearchAccess,
  { method, path, body, what }: Asked,
  run: Run,
): Promise<string> {
  const key = await password();
  const authorization =
    user === undefined || key === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${user}:${key}`).toString("base64")}` };
  const type = body instanceof Uint8Array ? "application/x-ndjson" : "application/json";
  const failed = (error: unknown): never => {
    run.signal.throwIfAborted();
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new AppError("UNAVAILABLE", `${what} in ${where}: ${why}`, { cause: error });
  };
  const response = await fetch(`${endpoint.replace(/\/+$/, "")}${path}`, {
    method,
    redirect: "manual",
    signal: AbortSignal.any([run.signal, AbortSignal.timeout(CALL_MS_MAX)]),
    headers: { ...authorization, ...(body === undefined ? {} : { "content-type": type }) },
    ...(body === undefined ? {} : { body }),
  }).catch(failed);
  const text = await response.text().catch(failed);
  if (response.ok) return text;
  const { type: kind, reason } = reasonIn(text);
  const message = `${what} in ${where}: ${reason} (${response.status}${kind === "" ? "" : ` ${kind}`})`;
  throw new SearchFailure(response.status, kind, message, hintFor(kind, reason));
}

function reasonIn(text: string): { type: string; reason: string } {
  try {
    const { error } = JSON.parse(text) as { error?: { type?: string; reason?: string } | string };
    if (typeof error === "string") return { type: "", reason: error };
    return { type: error?.type ?? "", reason: error?.reason ?? text.slice(0, 200) };
  } catch {
    return { type: "", reason: text.slice(0, 200) };
  }
}

function hintFor(type: string, reason: string): string | undefined {
  if (reason.includes("path.repo")) {
    return "The server writes snapshots only below path.repo: set it in elasticsearch.yml on every node, restart, try again.";
  }
  switch (type) {
    case "security_exception":
      return "Check user and password of the store.";
    case "repository_missing_exception":
      return "Register it, or say where it shall be: snapshots: { repository: NAME, location: FOLDER }.";
    case "cluster_block_exception":
      return "The server lets nobody write: mostly its disk is nearly full. Free some.";
    default:
      return undefined;
  }
}
