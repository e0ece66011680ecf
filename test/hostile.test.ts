import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { folderBackend } from "../src/backends/folder.ts";
import { AppError, hasCode } from "../src/base/errors.ts";
import { encodeConfig } from "../src/repository/format/config.ts";
import { encodeSnapshot } from "../src/repository/format/snapshot.ts";
import { createStrongbox } from "../src/repository/crypto/strongbox.ts";
import { loadIndex } from "../src/repository/index/load-index.ts";
import { createCore, openCore } from "../src/repository/open.ts";
import { openRepository } from "../src/repository/repository.ts";
import { openBlobSink } from "../src/repository/writer/blob-sink.ts";
import { coreOptions, CHEAP } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: whoever has the key, but means harm, cannot make a restore write outside of its folder.
// Method: snapshots with trees that lastgood itself never writes.

const run = quietRun();
const options = coreOptions();

function fileNode(name: string, content: string[], size: number, rest = ""): string {
  const time = "2026-01-01T00:00:00Z";
  const times = `"mtime":"${time}","atime":"${time}","ctime":"${time}"`;
  return `{"name":"${name}","type":"file","mode":420,${times},"uid":0,"gid":0,"size":${size}${rest},"content":${JSON.stringify(content)}}`;
}

/** Makes a repository with one snapshot whose root folder "top" has these nodes. */
async function hostileRepository(
  folder: string,
  nodes: (chunk: string) => readonly string[],
): Promise<void> {
  const backend = folderBackend(folder);
  await createCore(backend, PASSWORD, { ...options, cost: CHEAP }, run);
  const core = await openCore(backend, PASSWORD, options, run);
  await using sink = openBlobSink(core, await loadIndex(core, run), run);
  const { done } = await sink.start("storeBlobs", { type: "data", blobs: [Buffer.from("evil")] });
  const chunk = Buffer.from((await done).ids).toString("hex");
  const inner = await sink.tree(Buffer.from(`{"nodes":[${nodes(chunk).join(",")}]}\n`));
  const top = fileNode("top", [], 0).replace('"type":"file"', '"type":"dir"');
  const node = top.replace('"content":[]', `"content":null,"subtree":"${inner}"`);
  const tree = await sink.tree(Buffer.from(`{"nodes":[${node}]}\n`));
  await sink.finish();
  const snapshot = { time: "2026-01-01T00:00:00Z", tree, paths: ["/top"] };
  await core.files.save("snapshots", encodeSnapshot(snapshot), run);
}

async function restoreTop(repo: string, target: string): Promise<void> {
  const repository = await openRepository(folderBackend(repo), PASSWORD, {}, run);
  const [snapshot] = await repository.snapshots(run);
  await repository.read(snapshot!, run, (reader) => reader.tree("top", target));
}

const HOSTILE: readonly { readonly name: string; readonly nodes: (chunk: string) => string[] }[] = [
  { name: "..", nodes: (chunk) => [fileNode("..", [chunk], 4)] },
  { name: "a path up", nodes: (chunk) => [fileNode("../escaped", [chunk], 4)] },
  { name: "an absolute path", nodes: (chunk) => [fileNode("/tmp/escaped", [chunk], 4)] },
  { name: "an empty name", nodes: (chunk) => [fileNode("", [chunk], 4)] },
  { name: "a path up in escapes", nodes: (chunk) => [fileNode("..\\\\x2fescaped", [chunk], 4)] },
  {
    name: "a name twice: a link, then a file through it",
    nodes: (chunk) => [
      fileNode("same", [], 0, ',"linktarget":"/tmp"').replace('"type":"file"', '"type":"symlink"'),
      fileNode("same", [chunk], 4),
    ],
  },
  {
    name: "a size that its chunks do not have",
    nodes: (chunk) => [fileNode("f", [chunk], 2 ** 40)],
  },
  { name: "a chunk that is not there", nodes: () => [fileNode("f", ["ab".repeat(32)], 4)] },
  {
    name: "no list of chunks",
    nodes: () => [fileNode("f", [], 0).replace('"content":[]', '"content":null')],
  },
];

suite("hostile snapshots", () => {
  for (const { name, nodes } of HOSTILE) {
    test(`${name} is refused`, async () => {
      await using temporary = await temporaryFolder();
      const repo = path.join(temporary.path, "repo");
      const target = path.join(temporary.path, "inside", "target");
      await hostileRepository(repo, nodes);
      await import("node:fs/promises").then((fs) => fs.mkdir(path.dirname(target)));
      await assert.rejects(restoreTop(repo, target), (error) => {
        assert(error instanceof AppError && error.code === "CORRUPT", String(error));
        return true;
      });
      assert(!existsSync(path.join(temporary.path, "inside", "escaped")));
      assert(!existsSync("/tmp/escaped"));
    });
  }

  test("a link out of the tree is restored as a link, and nothing is written through it", async () => {
    await using temporary = await temporaryFolder();
    const repo = path.join(temporary.path, "repo");
    const target = path.join(temporary.path, "target");
    await hostileRepository(repo, (chunk) => [
      fileNode("a", [chunk], 4),
      fileNode("link", [], 0, `,"linktarget":"${temporary.path}/elsewhere"`)
        .replace('"type":"file"', '"type":"symlink"')
        .replace('"content":[]', '"content":null'),
    ]);
    await restoreTop(repo, target);
    assert.equal(readlinkSync(path.join(target, "link")), `${temporary.path}/elsewhere`);
    assert.deepEqual(readdirSync(temporary.path).toSorted(), ["repo", "target"]);
  });

  test("a repository of the future is refused by name", async () => {
    await using temporary = await temporaryFolder();
    const backend = folderBackend(temporary.path);
    await createCore(backend, PASSWORD, { ...options, cost: CHEAP }, run);
    const core = await openCore(backend, PASSWORD, options, run);
    const { rm, writeFile } = await import("node:fs/promises");
    const config = encodeConfig(core.config).toString().replace('"version":2', '"version":3');
    await rm(path.join(temporary.path, "config"));
    const sealed = createStrongbox(core.key).seal(Buffer.from(config));
    await writeFile(path.join(temporary.path, "config"), sealed);
    const opened = openRepository(backend, PASSWORD, {}, run);
    await assert.rejects(opened, (error) => hasCode(error, "UNSUPPORTED"));
  });
});
