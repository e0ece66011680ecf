import path from "node:path";
import { suite, test } from "node:test";
import type { Backend } from "../src/backends/backend.ts";
import { BACKEND_CONTRACT } from "../src/backends/contract.ts";
import { folderBackend } from "../src/backends/folder.ts";
import { memoryBackend } from "../src/backends/memory.ts";
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
