import path from "node:path";
import { after, before, suite, test } from "node:test";
import type { Backend } from "../src/backends/backend.ts";
import { BACKEND_CONTRACT } from "../src/backends/contract.ts";
import { folderBackend } from "../src/backends/folder.ts";
import { memoryBackend } from "../src/backends/memory.ts";
import { s3Backend } from "../src/backends/s3.ts";
import { parseS3 } from "../src/backends/s3-place.ts";
import { hasS3, KEYS, type S3, startS3 } from "./support/s3.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

const BACKENDS: Record<string, (folder: string) => Backend> = {
  memory: () => memoryBackend(),
  folder: (folder) => folderBackend(path.join(folder, "repository")),
};

for (const [kind, open] of Object.entries(BACKENDS)) {
  suite(`backend ${kind}`, () => {
    for (const { name, check } of BACKEND_CONTRACT) {
      test(name, async () => {
        await using temporary = await temporaryFolder();
        await using backend = open(temporary.path);
        await check(backend, quietRun());
      });
    }
  });
}

suite("backend s3", { skip: skipWithout(hasS3(), "Ceph (.ci/run fetches it)") }, () => {
  let server: S3;
  before(async () => {
    server = await startS3();
  });
  after(async () => await server[Symbol.asyncDispose]());

  for (const { name, check } of BACKEND_CONTRACT) {
    test(name, async () => {
      await using temporary = await temporaryFolder();
      const place = parseS3(`s3://${server.host}/${await server.bucket()}/some/prefix`, undefined);
      const spoolFolder = path.join(temporary.path, "spool");
      await using backend = await s3Backend({
        ...place,
        ...KEYS,
        region: "us-east-1",
        now: () => new Date(),
        spoolFolder,
      });
      await check(backend, quietRun());
    });
  }
});
