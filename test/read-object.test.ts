import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test } from "node:test";
import { hasCode } from "../src/base/errors.ts";
import { openBuckets } from "../src/stores/bucket/buckets.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: an object of a server that is as bad as servers are comes whole, or not at all: never longer,
// shorter or mixed. Imitated, since no real server does all of this.

const BYTES = 900_000;
const run = quietRun();

type Manners = {
  /** Answers that are cut off, after so many bytes each. */
  readonly cuts: number[];
  readonly knowsRange: boolean;
  readonly knowsIfMatch: boolean;
  readonly saysLength: boolean;
  readonly etag: (content: Buffer) => string | undefined;
  /** What is there from the second answer on. */
  readonly replacedBy?: Buffer;
};

const GOOD: Manners = {
  cuts: [],
  knowsRange: true,
  knowsIfMatch: true,
  saysLength: true,
  etag: (content) => `"${createHash("md5").update(content).digest("hex")}"`,
};

async function serve(
  content: Buffer,
  { cuts, knowsRange, knowsIfMatch, saysLength, etag, replacedBy = content }: Manners,
): Promise<AsyncDisposable & { readonly endpoint: string; readonly asked: () => number }> {
  let asked = 0;
  const server = http.createServer((request, response) => {
    const now = asked++ === 0 ? content : replacedBy;
    const tag = etag(now);
    const { range, "if-match": wanted } = request.headers;
    if (knowsIfMatch && wanted !== undefined && wanted !== tag)
      return response.writeHead(412).end();
    const from = knowsRange ? Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0) : 0;
    const part = now.subarray(from);
    const cut = cuts.shift();
    return response
      .writeHead(from > 0 ? 206 : 200, {
        ...(tag === undefined ? {} : { etag: tag }),
        ...(saysLength ? { "content-length": part.length } : {}),
        ...(from > 0 ? { "content-range": `bytes ${from}-${now.length - 1}/${now.length}` } : {}),
      })
      .write(part.subarray(0, cut), () => {
        if (cut === undefined) response.end();
        else setTimeout(() => request.socket.destroy(), 20);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const content = randomBytes(BYTES);
const other = randomBytes(BYTES);

async function read(endpoint: string): Promise<Buffer> {
  const access = { endpoint, region: "us-east-1", accessKey: "ak", secretKey: "sk" };
  const buckets = await openBuckets(access, endpoint);
  const found = await buckets.get({ bucket: "b", key: "k" }, BYTES, run);
  assert(found !== undefined);
  assert.equal(found.size, BYTES);
  return Buffer.concat(await Array.fromAsync(found.body));
}

suite("an object", { timeout: 60_000 }, () => {
  const whole: Readonly<Record<string, Partial<Manners>>> = {
    "comes at once": {},
    "is cut off, and read on": { cuts: [600_000] },
    "is cut off again and again, as long as more of it comes": { cuts: Array(12).fill(50_000) },
    "is cut off, by a server that knows no parts": { cuts: [600_000], knowsRange: false },
    "is cut off, by one that takes no notice of If-Match": { cuts: [1], knowsIfMatch: false },
    "comes without its length": { saysLength: false },
    // The first is asked for again with the SDK, as it does not say how long it is.
    "comes without its length and is cut off": { saysLength: false, cuts: [1, 600_000] },
    "comes without an ETag": { etag: () => undefined },
    "was put in parts": { cuts: [600_000], etag: () => '"0123456789abcdef-7"' },
  };
  for (const [how, manners] of Object.entries(whole)) {
    test(how, async () => {
      await using server = await serve(content, { ...GOOD, ...manners });
      assert((await read(server.endpoint)).equals(content));
    });
  }

  const denied: Readonly<
    Record<string, readonly [Partial<Manners>, "SOURCE_FAILED" | "UNAVAILABLE"]>
  > = {
    "changes while it is read": [{ cuts: [600_000], replacedBy: other }, "SOURCE_FAILED"],
    "changes, and the server takes no notice of If-Match": [
      { cuts: [600_000], replacedBy: other, knowsIfMatch: false },
      "SOURCE_FAILED",
    ],
    "changes, and the server knows nothing": [
      { cuts: [600_000], replacedBy: other, knowsIfMatch: false, knowsRange: false },
      "SOURCE_FAILED",
    ],
    "becomes shorter, under the same ETag": [
      { cuts: [600_000], replacedBy: other.subarray(0, 700_000), etag: () => '"same"' },
      "SOURCE_FAILED",
    ],
    "is cut off, and its ETag is weak": [{ cuts: [600_000], etag: () => 'W/"abc"' }, "UNAVAILABLE"],
    "is cut off, and has no ETag": [{ cuts: [600_000], etag: () => undefined }, "UNAVAILABLE"],
    "is cut off, and no more of it comes": [
      { cuts: [600_000, ...Array(9).fill(0)] },
      "UNAVAILABLE",
    ],
  };
  for (const [how, [manners, code]] of Object.entries(denied)) {
    test(`${how}: ${code}`, async () => {
      await using server = await serve(content, { ...GOOD, ...manners });
      await assert.rejects(read(server.endpoint), (error) => hasCode(error, code));
      assert(server.asked() < 9);
    });
  }
});
