import http from "node:http";
import type { AddressInfo } from "node:net";

/** What a proxy does with one request; by default it is passed on. */
export type Fault =
  | "none"
  /** Answered 503 SlowDown, as a server that throttles; nothing is passed on. */
  | "throttle"
  /** The connection is cut in the middle of the request's body. */
  | "cut"
  /** Passed on; the connection is cut in the middle of the answer's body. */
  | "half"
  /** Passed on and done; the answer is lost. */
  | "lose-answer";

export type Proxy = AsyncDisposable & {
  readonly host: string;
  /** Requests, by what became of them. */
  readonly seen: Readonly<Record<Fault, number>>;
};

/** Stands before an S3 and lets things go wrong. `choose` is asked for each request. */
export async function faultyProxy(
  upstream: string,
  choose: (request: http.IncomingMessage) => Fault,
): Promise<Proxy> {
  const seen: Record<Fault, number> = { none: 0, throttle: 0, cut: 0, half: 0, "lose-answer": 0 };
  const [hostname, port] = upstream.split(":");
  const server = http.createServer((request, response) => {
    const fault = choose(request);
    seen[fault]++;
    if (fault === "throttle") {
      request.resume();
      request.once("end", () => {
        response.writeHead(503, { "content-type": "application/xml" });
        response.end(
          "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        );
      });
      return;
    }
    if (fault === "cut") {
      request.once("data", () => request.socket.destroy());
      request.once("end", () => request.socket.destroy());
      return;
    }
    const { method, url, headers } = request;
    const passed = http.request({ hostname, port, method, path: url, headers }, (answer) => {
      if (fault === "lose-answer") {
        answer.resume();
        answer.once("end", () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === "half") {
        let left = Number(answer.headers["content-length"]) >> 1;
        answer.on("data", (part: Buffer) => {
          response.write(part.subarray(0, left));
          left -= part.length;
          if (left <= 0) setTimeout(() => request.socket.destroy(), 50);
        });
        return;
      }
      answer.pipe(response);
    });
    passed.once("error", () => request.socket.destroy());
    request.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
