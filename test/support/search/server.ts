import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import {
  bulk,
  changeAliases,
  changeSettings,
  countIn,
  cloneIndex,
  createIndex,
  definition,
  indexOf,
  named,
  newState,
  refresh,
  SearchError,
  type State,
} from "./indices.ts";
import { beginScroll, openView, scrollOn, searchView, viewOf } from "./searching.ts";
import { get, register, repository, restoreFrom, type Snapshots, take } from "./snapshots.ts";

/** What goes wrong with a request: nothing happens, or it happens and nobody hears of it. */
export type Fault = "cut before" | "cut after" | "503" | "408" | "shards failed" | undefined;

/**
 * Elasticsearch's interface, or OpenSearch's, imitated with a memory of its own from the published
 * specification (elastic/elasticsearch-specification, specification/{indices,_global,snapshot}); the
 * server itself cannot be had where these tests run.
 */
export type SearchServer = AsyncDisposable & {
  readonly endpoint: string;
  readonly state: State;
  readonly snapshots: Snapshots;
  /** Asked for each request. */
  fault: (method: string, path: string) => Fault;
  readonly requests: string[];
  /** How the next snapshots end. */
  snapshotsEnd: string;
};

export type SearchOptions = {
  readonly distribution?: "elasticsearch" | "opensearch";
  readonly password?: string;
  readonly hasPathRepo?: boolean;
};

export async function startSearch(options: SearchOptions = {}): Promise<SearchServer> {
  const state = newState();
  const snapshots: Snapshots = new Map();
  const server: SearchServer = {
    endpoint: "",
    state,
    snapshots,
    fault: () => undefined,
    requests: [],
    snapshotsEnd: "SUCCESS",
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  const http = createServer((request, response) => {
    void (async () => {
      const method = request.method ?? "GET";
      const path = request.url ?? "/";
      const text = await bodyOf(request);
      server.requests.push(`${method} ${path}`);
      const fault = server.fault(method, path);
      if (fault === "cut before") return request.socket.destroy();
      const [status, body] =
        fault === "503"
          ? [503, "busy"]
          : fault === "408"
            ? [408, '{"timed_out":true,"status":"red"}']
            : reply(server, options, request, path, text, fault);
      if (fault === "cut after") return request.socket.destroy();
      response.writeHead(status, { "content-type": "application/json" }).end(body);
      return undefined;
    })();
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return Object.assign(server, { endpoint: `http://127.0.0.1:${port}` });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function reply(
  server: SearchServer,
  { distribution = "elasticsearch", password, hasPathRepo = true }: SearchOptions,
  { method, headers }: IncomingMessage,
  url: string,
  text: string,
  fault: Fault,
): readonly [number, string] {
  const expected = `Basic ${Buffer.from(`elastic:${password}`).toString("base64")}`;
  try {
    if (password !== undefined && headers.authorization !== expected) {
      throw new SearchError(401, "security_exception", "missing authentication credentials");
    }
    const { pathname, searchParams } = new URL(url, "http://it");
    const parts = pathname.split("/").slice(1).map(decodeURIComponent);
    const request: Request = { method: method!, parts, query: searchParams, text, fault };
    const found = route(server, distribution, hasPathRepo, request);
    return [200, typeof found === "string" ? found : JSON.stringify(found)];
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    return [error.status, JSON.stringify(error.body)];
  }
}

type Request = {
  readonly method: string;
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly text: string;
  readonly fault: Fault;
};

function route(
  server: SearchServer,
  distribution: string,
  hasPathRepo: boolean,
  request: Request,
): object | string {
  const { method, parts, text } = request;
  const { state } = server;
  const [first = "", second = "", third = ""] = parts;
  const body = JSON.parse(text === "" || parts[1] === "_bulk" ? "{}" : text) as Record<
    string,
    never
  >;
  switch (
    `${method} ${first.startsWith("_") ? first : "INDEX"}${second === "" ? "" : `/${second}`}`
  ) {
    case "GET INDEX":
      if (first !== "") {
        return Object.fromEntries(
          named(state, first).map((name) => [name, definition(indexOf(state, name))]),
        );
      }
      return {
        version: {
          number: distribution === "opensearch" ? "2.11.0" : "8.11.3",
          ...(distribution === "opensearch" ? { distribution } : {}),
        },
      };
    case "PUT INDEX":
      createIndex(state, first, body);
      return { acknowledged: true, shards_acknowledged: true, index: first };
    case "DELETE INDEX":
      for (const name of named(state, first)) state.indices.delete(name);
      return { acknowledged: true };
    case "POST INDEX/_count":
    case "GET INDEX/_count": {
      return { count: countIn(state, first, body), _shards: { failed: 0 } };
    }
    case "POST INDEX/_refresh":
      for (const name of named(state, first)) refresh(indexOf(state, name));
      return { _shards: { failed: 0 } };
    case "PUT INDEX/_settings":
      for (const name of named(state, first)) changeSettings(indexOf(state, name), body);
      return { acknowledged: true };
    case "POST INDEX/_bulk":
      return bulk(state, first, text);
    case "POST _aliases":
      return changeAliases(state, body as never);
    case "GET INDEX/_recovery":
      return {};
    case "POST INDEX/_clone":
      cloneIndex(state, first, third, body);
      return { acknowledged: true, shards_acknowledged: true, index: third };
    case "GET _cluster/health":
      return { status: "yellow", timed_out: false };
    default:
      if (first === "_snapshot") return snapshotRoute(server, hasPathRepo, request);
      return searchRoute(server, distribution, request);
  }
}

function searchRoute(
  { state }: SearchServer,
  distribution: string,
  request: Request,
): object | string {
  const { method, parts, query, text, fault } = request;
  const [first = "", second = ""] = parts;
  const body = JSON.parse(text === "" ? "{}" : text) as {
    id: string;
    scroll_id: string;
    size?: number;
  };
  if (distribution === "elasticsearch" && method === "POST" && second === "_pit") {
    return { id: openView(state, first), _shards: { failed: 0 } };
  }
  if (method === "DELETE" && first === "_pit") {
    state.views.delete(body.id);
    return { succeeded: true };
  }
  if (method === "POST" && first === "_search" && second === "") {
    return searchView(state, body, fault === "shards failed" ? 1 : 0);
  }
  if (method === "POST" && second === "_search" && query.has("scroll")) {
    return beginScroll(state, first, body);
  }
  if (method === "POST" && first === "_search" && second === "scroll") {
    return scrollOn(state, body.scroll_id);
  }
  if (method === "DELETE" && first === "_search" && second === "scroll") {
    viewOf(state, body.scroll_id);
    state.views.delete(body.scroll_id);
    return { succeeded: true };
  }
  throw new SearchError(
    400,
    "illegal_argument_exception",
    `no handler for ${method} ${parts.join("/")}`,
  );
}

function snapshotRoute(
  server: SearchServer,
  hasPathRepo: boolean,
  { method, parts, text }: Request,
): object {
  const [, name = "", snapshot = "", verb = ""] = parts;
  if (method === "PUT" && snapshot === "") return register(server.snapshots, name, hasPathRepo);
  const within = repository(server.snapshots, name);
  const body = JSON.parse(text === "" ? "{}" : text) as never;
  if (snapshot === "") return { [name]: { type: "fs" } };
  if (verb === "_restore") return restoreFrom(server.state, within, snapshot, body);
  if (method === "PUT") {
    const { indices } = body as { indices: string };
    return take(server.state, within, snapshot, indices, server.snapshotsEnd);
  }
  if (method === "DELETE") {
    within.delete(snapshot);
    return { acknowledged: true };
  }
  return get(within, snapshot);
}
