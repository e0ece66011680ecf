import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { lstatSync, truncateSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { identityOf } from "../src/repository/workers/identity.ts";
import { ANOTHER_FILE, sourceError } from "../src/repository/workers/source-errors.ts";
import type { BlobSink } from "../src/repository/writer/blob-sink.ts";
import { createFileStore } from "../src/repository/writer/file-store.ts";
import { temporaryFolder } from "./support/temporary.ts";

// Goal: a file that changes its nature between two looks is stored as what it is, or told.

test("an empty file in the place of a large one needs no thread", async () => {
  await using temporary = await temporaryFolder();
  const file = path.join(temporary.path, "log");
  await writeFile(file, randomBytes(1_000_000));
  const seen = identityOf(lstatSync(file, { bigint: true }));
  const asked: string[] = [];
  const start: BlobSink["start"] = (kind) => {
    asked.push(kind);
    truncateSync(file);
    const done = Promise.reject(sourceError(asked.length === 1 ? ANOTHER_FILE : "EACCES", "no"));
    done.catch(() => {});
    return Promise.resolve({ done });
  };
  const store = createFileStore({ start } as BlobSink);
  const { done } = await store.store({ path: file, seen, chunking: "content" });
  assert.deepEqual(await done, { content: [], sizeBytes: 0, changed: true });
  assert.deepEqual(asked, ["scan"]);
});
