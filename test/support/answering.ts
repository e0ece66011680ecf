import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type Connections, openConnections } from "../../src/s3/http/connections.ts";

export const never = new AbortController().signal;
export const ASK = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";

export type Served = AsyncDisposable & {
  readonly connections: Connections;
  readonly port: number;
  /** How many connections there were. */
  readonly count: () => number;
};

/** A server that answers each request by `answer`. */
export async function serve(
  answer: (socket: Socket, request: number) => void | Promise<void>,
  { connectionsMax = 4, silentMs = 5000 } = {},
): Promise<Served> {
  const sockets: Socket[] = [];
  let requests = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!text.endsWith("\r\n\r\n")) return;
      text = "";
      void answer(socket, ++requests);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connections = openConnections(
    { hostname: "127.0.0.1", port, isSecure: false, silentMs },
    connectionsMax,
  );
  return {
    connections,
    port,
    count: () => sockets.length,
    async [Symbol.asyncDispose]() {
      connections[Symbol.dispose]();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export async function bodyOf(
  connections: Connections,
  signal = never,
): Promise<string | undefined> {
  const answer = await connections.ask(ASK, 200, signal);
  if (answer === undefined) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.pieces()) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** An answer with a length. */
export const plain = (body: string, ...lines: string[]): string =>
  ["HTTP/1.1 200 OK", `Content-Length: ${body.length}`, ...lines, "", body].join("\r\n");
