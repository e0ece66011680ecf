import aws4 from "aws4";
import { type S3Access, SILENT_MS_MAX, SOCKETS_MAX } from "./client.ts";
import { type Answer, openConnections } from "./http/connections.ts";

export type QuickGet = Disposable & {
  /** Undefined: ask the SDK. Rejects when the signal aborts. `range` as the header has it. */
  get(
    bucket: string,
    key: string,
    signal: AbortSignal,
    range?: string,
  ): Promise<Answer | undefined>;
};

const OK = 200;
const PARTIAL_CONTENT = 206;
const PRINTABLE = /^[\x20-\x7e]*$/;

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
  const connections = openConnections(
    {
      // Of an address of six the URL has brackets that the resolver does not know.
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port === "" ? (isSecure ? 443 : 80) : port),
      isSecure,
      silentMs,
    },
    SOCKETS_MAX,
  );
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
  const get: QuickGet["get"] = async (bucket, key, signal, range) => {
    const path = `${pathname.replace(/\/$/, "")}/${escaped(`${bucket}/${key}`)}`;
    const { headers = {} } = aws4.sign(
      { host, path, service: "s3", region, headers: {} },
      credentials,
    );
    const all = { ...headers, ...(range === undefined ? {} : { Range: range }) };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}`);
    // With a line break in a key somebody could ask for something else.
    if (!lines.every((line) => PRINTABLE.test(line))) return undefined;
    const request = [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
    const good = range === undefined ? OK : PARTIAL_CONTENT;
    return await connections.ask(request, good, signal);
  };
  return { get, [Symbol.dispose]: () => connections[Symbol.dispose]() };
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
