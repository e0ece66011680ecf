import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { Key } from "../src/backends/backend.ts";
import { s3Backend } from "../src/backends/s3.ts";
import { serve } from "./support/answering.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: whatever a server answers, the next file of a repository can be read as soon as it answers well again.

const run = quietRun();
const CONFIG = "config" as Key;

test("an object that no memory holds takes no connection away from those after it", async () => {
  let isWell = false;
  const answer = (socket: Socket): void => {
    const length = isWell ? 4 : 999_999_999_999_999;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nwell`);
  };
  await using served = await serve(answer);
  await using temporary = await temporaryFolder();
  await using backend = await s3Backend({
    endpoint: `http://127.0.0.1:${served.port}`,
    bucket: "bucket",
    prefix: "",
    label: "s3",
    accessKey: "a",
    secretKey: "b",
    region: "us-east-1",
    now: () => new Date(),
    spoolFolder: temporary.path,
  });
  for (let round = 0; round < 8; round++) {
    await assert.rejects(backend.get(CONFIG, "all", run), /allocation failed|Invalid/);
  }
  isWell = true;
  assert.equal(Buffer.from(await backend.get(CONFIG, "all", run)).toString(), "well");
});
