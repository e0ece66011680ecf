import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";
import { AppError } from "../base/errors.ts";

export type Env = { Bindings: HttpBindings };

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MS_MAX = 4000;
const LOOK_MS = 1000;
const REQUEST_MS_MAX = 60_000;
const CONNECTIONS_MAX = 512;

/** Answers at an address until it is disposed; `key` is what the configuration calls it. UNAVAILABLE. */
export async function listen(
  app: Hono<Env>,
  address: string,
  key: string,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS_MAX,
      connectionsCheckingInterval: LOOK_MS,
      requestTimeout: REQUEST_MS_MAX,
    },
  }) as Server;
  server.maxConnections = CONNECTIONS_MAX;
  const at = address.lastIndexOf(":");
  server.listen(Number(address.slice(at + 1)), address.slice(0, at).replaceAll(/[[\]]/g, ""));
  try {
    await once(server, "listening");
  } catch (error) {
    throw new AppError("UNAVAILABLE", `listen on ${address}: ${(error as Error).message}`, {
      hint: `Another program has that port, mostly: choose another under ${key}.`,
      cause: error,
    });
  }
  const { port } = server.address() as { port: number };
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      // Whoever sent half a request, or listens to events, would keep us.
      server.closeAllConnections();
      await closed;
    },
  };
}
