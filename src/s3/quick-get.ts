import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, get as httpsGet } from "node:https";
import aws4 from "aws4";
import { type S3Access, SILENT_MS_MAX, SOCKETS_MAX } from "./client.ts";

/** The body of an object and what its answer says of it. */
export type QuickAnswer = IncomingMessage;

export type QuickGet = Disposable & {
  /** Undefined: ask the SDK. Rejects when the signal aborts. `range` as the header has it. */
  get(
    bucket: string,
    key: string,
    signal: AbortSignal,
    range?: string,
  ): Promise<QuickAnswer | undefined>;
};

const OK = 200;
const PARTIAL_CONTENT = 206;

/**
 * Reads objects past the SDK, whose call takes more of the processor than all that is done with a small
 * object. Only for what goes well: whatever is not a whole answer, the SDK asks for again, and
 * understands what it is told.
 */
export function quickGet({
  endpoint,
  region,
  accessKey,
  secretKey,
  silentMs = SILENT_MS_MAX,
}: S3Access): QuickGet {
  const { protocol, hostname, port, host, pathname } = new URL(endpoint);
  const isSecure = protocol === "https:";
  const options = { maxSockets: SOCKETS_MAX, keepAlive: true };
  const agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const send = isSecure ? httpsGet : httpGet;
  const get: QuickGet["get"] = async (bucket, key, signal, range) => {
    signal.throwIfAborted();
    const path = `${pathname.replace(/\/$/, "")}/${bucket}/${escaped(key)}`;
    const { headers } = aws4.sign({ host, path, service: "s3", region, headers: {} }, credentials);
    const answer = await new Promise<IncomingMessage | undefined>((resolve) => {
      const given = {
        // Of an address of six the URL has brackets that the resolver does not know.
        hostname: hostname.replace(/^\[|\]$/g, ""),
        port,
        path,
        headers: { ...headers, ...(range === undefined ? {} : { range }) },
        agent,
        signal,
        timeout: silentMs,
      };
      const request = send(given, resolve);
      request.on("timeout", () => request.destroy(new Error("the server is silent")));
      // Once there is an answer, its body tells of what goes wrong.
      request.on("error", () => resolve(undefined));
    });
    signal.throwIfAborted();
    const good = range === undefined ? OK : PARTIAL_CONTENT;
    if (answer?.statusCode === good && answer.headers["content-length"] !== undefined)
      return answer;
    // Nobody reads it; its connection goes too.
    answer?.destroy();
    return undefined;
  };
  return { get, [Symbol.dispose]: () => agent.destroy() };
}

/** Each byte that is not plain as %XX, as the signature has it. */
function escaped(key: string): string {
  return key.split("/").map(strict).join("/");
}

function strict(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
