import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { suite } from "node:test";
import { fetchPackage } from "../src/operations/releases/fetch.ts";
import { version } from "../src/slots/slot.ts";
import { download } from "../src/operations/releases/download.ts";
import { testIn } from "./support/files.ts";
import { newSystem } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: no file is ever put together out of two.

const run = quietRun();
const SIZE = 400_000;
const [FIRST, SECOND] = [Buffer.alloc(SIZE, "A"), Buffer.alloc(SIZE, "B")];

/** Serves one file, cut off in its middle, and after that another of the same size. */
async function servingTwo(
  etags: readonly [string | undefined, string | undefined],
  compares: boolean,
): Promise<AsyncDisposable & { readonly url: string }> {
  let answers = 0;
  const server = http.createServer((request, response) => {
    const isFirst = answers++ === 0;
    const [content, etag] = isFirst ? [FIRST, etags[0]] : [SECOND, etags[1]];
    if (etag !== undefined) response.setHeader("etag", etag);
    const { range, "if-range": same } = request.headers;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const isPart = from > 0 && (!compares || same === undefined || same === etag);
    const rest = isPart ? content.subarray(from) : content;
    if (isPart) response.setHeader("content-range", `bytes ${from}-${SIZE - 1}/${SIZE}`);
    response.writeHead(isPart ? 206 : 200, { "content-length": rest.length });
    if (isFirst) response.write(rest.subarray(0, SIZE / 2), () => response.destroy());
    else response.end(rest);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/file`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

suite("a download that is cut", { concurrency: 4 }, () => {
  for (const [what, etags, isCertain, wanted, compares = true] of [
    ["without a word of the server", [undefined, undefined], false, "B"],
    ["of which the server vouches for nothing", ['W/"1"', 'W/"1"'], false, "B"],
    ["that is another file by now", ['"1"', '"2"'], false, "B"],
    ["that is another file, of a server that does not compare", ['"1"', '"2"'], false, "B", false],
    ["that the server says is the same", ['"1"', '"1"'], false, "AB"],
    ["whose checksum will tell", [undefined, undefined], true, "AB"],
  ] as const) {
    testIn(`${what}: nothing is put together that nobody vouches for`, async (folder) => {
      await using server = await servingTwo(etags, compares);
      const file = path.join(folder, "package");
      await download(server.url, file, { bytes: undefined, isCertain }, run);
      const letters = new Set(fs.readFileSync(file, "latin1"));
      assert.equal([...letters].join(""), wanted);
      assert.equal(fs.statSync(file).size, SIZE);
    });
  }

  testIn("a pipe is no package: nobody may ever write to it", async (folder) => {
    fs.mkdirSync(path.join(folder, "files"));
    using system = await newSystem(folder, { stores: { files: { folder: "files" } } });
    const from = path.join(folder, "pipe");
    execFileSync("mkfifo", [from]);
    const fetched = fetchPackage(system, "app", version("1.0.0"), { from }, run);
    await assert.rejects(fetched, { code: "INVALID_PACKAGE" });
  });
});
