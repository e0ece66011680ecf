import assert from "node:assert/strict";
import * as fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { folderBackend } from "../src/backends/folder.ts";
import type { Run } from "../src/base/events.ts";
import type { Core } from "../src/repository/core.ts";
import { encodeSnapshot } from "../src/repository/format/snapshot.ts";
import { loadIndex } from "../src/repository/index/load-index.ts";
import { openCore } from "../src/repository/open.ts";
import { openBlobReader } from "../src/repository/reader/read-blob.ts";
import { openRepository, type Snapshot } from "../src/repository/repository.ts";
import { openBlobSink } from "../src/repository/writer/blob-sink.ts";
import { assertRestorable, harm, newPlace, packOf, type Place } from "./support/damage.ts";
import { coreOptions, backUp } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what is damaged is told, and takes nothing with it that is sound: what can be restored is
// restored, and nothing is removed of which nobody can know whether it is needed.
// Method: one file of a small repository is damaged in one way; trees that lastgood itself never
// writes are put together by hand.

const warnings: string[] = [];
const run: Run = {
  ...quietRun(),
  report: (event) => void (event.type === "warning" && warnings.push(event.message)),
};

const flip = (bytes: Buffer, at: number): Uint8Array => bytes.with(at, bytes.readUInt8(at) ^ 1);

function coreOf({ at }: Place): Promise<Core> {
  return openCore(folderBackend(at("repo")), PASSWORD, coreOptions(), run);
}

suite("damaged packs", { concurrency: 4 }, () => {
  for (const { what, how } of [
    { what: "damaged", how: (file: string) => harm(file, (bytes) => flip(bytes, 30)) },
    { what: "missing", how: fs.rmSync },
  ]) {
    test(`the next backup stores what is ${what} of its parent's trees`, async () => {
      await using place = await newPlace();
      const { at, repository } = place;
      how(packOf("tree", place));
      const { snapshot } = await backUp(repository, at("src"), run, place.snapshot);
      assert.match(warnings.join("\n"), new RegExp(`parent snapshot: .*${at("repo")}`));
      await assertRestorable(place, snapshot);
    });
  }

  for (const { what, change } of [
    { what: "has a flipped bit", change: (bytes: Buffer) => flip(bytes, bytes.length - 20) },
    { what: "is cut short", change: (bytes: Buffer) => bytes.subarray(0, -1) },
    { what: "is followed by more", change: (bytes: Buffer) => Buffer.concat([bytes, bytes]) },
  ]) {
    test(`a new index keeps what can be opened of a pack whose header ${what}`, async () => {
      await using place = await newPlace();
      const pack = packOf("data", place);
      harm(pack, change);
      const { packs, unreadable } = await place.repository.repairIndex(run);
      assert.deepEqual([packs, unreadable], [2, [path.basename(pack)]]);
      await assertRestorable(place, place.snapshot);
    });
  }

  test("of a tree pack that was cut off every whole tree can be read", async () => {
    await using place = await newPlace();
    const core = await coreOf(place);
    const index = await loadIndex(core, run);
    const trees = [...index.entries()]
      .map(({ entry }) => entry)
      .filter(({ type }) => type === "tree")
      .toSorted((a, b) => a.offset - b.offset);
    const last = trees.pop()!;
    harm(packOf("tree", place), (bytes) => bytes.subarray(0, last.offset + 5));
    const blobs = openBlobReader(core, index, run);
    assert.equal(trees.length, 3);
    for (const { id } of trees) await blobs.tree(id);
    await assert.rejects(blobs.tree(last.id), { code: "CORRUPT" });
  });

  test("what is no pack is never removed as one", async () => {
    await using place = await newPlace();
    const { at, repository } = place;
    const strays = ["data/note", "data/00/notes.txt", `data/zz/${"0".repeat(64)}`];
    for (const stray of strays) {
      fs.mkdirSync(path.dirname(at(`repo/${stray}`)), { recursive: true });
      fs.writeFileSync(at(`repo/${stray}`), "kept by hand");
    }
    assert.equal((await repository.prune("do", run)).packsRemoved, 0);
    for (const stray of strays) assert(fs.existsSync(at(`repo/${stray}`)), stray);
    const { errors, hints } = await repository.check({ readData: "none" }, run);
    assert.deepEqual([errors, hints.length], [[], strays.length]);
  });
});

suite("damaged small files", { concurrency: 4 }, () => {
  test("one damaged snapshot hides no other, and nothing is pruned", async () => {
    await using place = await newPlace();
    const { repository, at } = place;
    const { snapshot: other } = await backUp(repository, at("src"), run);
    harm(at(`repo/snapshots/${other.id}`), () => "damaged");
    const listed = (await repository.snapshots(run)).map(({ id }) => id);
    assert.deepEqual(listed, [place.snapshot.id]);
    assert.match(warnings.join("\n"), new RegExp(other.id.slice(0, 8)));
    await assert.rejects(repository.prune("do", run), { code: "CORRUPT" });
    await assertRestorable(place, place.snapshot);
    await repository.forget([other.id], run);
    await repository.prune("do", run);
  });

  test("a lock that was cut off blocks only those who remove", async () => {
    await using place = await newPlace();
    const { repository, at } = place;
    fs.writeFileSync(at(`repo/locks/${"1".repeat(64)}`), "cut");
    await assertRestorable(place, place.snapshot);
    await backUp(repository, at("src"), run);
    await assert.rejects(repository.prune("do", run), { code: "LOCKED" });
  });

  for (const { what, change } of [
    { what: "another cost", change: (text: string) => text.replace('"N":1024', '"N":2048') },
    { what: "another salt", change: (text: string) => text.replace(/(?<="salt":").{4}/, "AAAA") },
    { what: "null", change: () => "null" },
  ]) {
    test(`the only key file, with ${what}, is CORRUPT and no wrong password`, async () => {
      await using place = await newPlace();
      const [key] = fs.readdirSync(place.at("repo/keys"));
      harm(place.at(`repo/keys/${key}`), (bytes) => change(bytes.toString()));
      const opened = openRepository(folderBackend(place.at("repo")), PASSWORD, {}, run);
      await assert.rejects(opened, { code: "CORRUPT" });
    });
  }

  const finds: readonly { what: string; says: RegExp; make(place: Place): Promise<unknown> }[] = [
    {
      what: "a pack in the wrong folder",
      says: /pack .*missing/,
      async make(place) {
        const pack = packOf("data", place);
        fs.mkdirSync(place.at("repo/data/zz"));
        fs.renameSync(pack, place.at(`repo/data/zz/${path.basename(pack)}`));
      },
    },
    {
      what: "a snapshot without a time",
      says: /snapshot .*damaged/,
      async make(place) {
        const text = encodeSnapshot({ ...place.snapshot, time: "never" });
        await (await coreOf(place)).files.save("snapshots", text, run);
      },
    },
    {
      what: "a second key file with a flipped bit",
      says: /keys\/.*damaged/,
      async make({ at, repository }) {
        const id = await repository.addKey("second", run);
        harm(at(`repo/keys/${id}`), (bytes) => flip(bytes, 150));
      },
    },
    {
      what: "a file that should have more bytes than its chunks",
      says: /4 bytes, it should have 5/,
      make: (place) => saveCrafted(place, (chunk) => [node("f", 5, { content: [chunk] })]),
    },
  ];
  for (const { what, says, make } of finds) {
    test(`check finds ${what}`, async () => {
      await using place = await newPlace();
      await make(place);
      const { errors } = await place.repository.check({ readData: "none" }, run);
      assert.match(errors.join("\n"), says);
    });
  }
});

/** A node of a file as restic writes it, but for what is changed. */
function node(name: string, size: number, changed: object): object {
  const time = "2026-01-01T00:00:00Z";
  const times = { mtime: time, atime: time, ctime: time };
  return { name, type: "file", mode: 0o644, ...times, uid: 0, gid: 0, size, ...changed };
}

/** Adds a snapshot whose folder "top" has these nodes; `chunk` is the id of the bytes "evil". */
async function saveCrafted(
  place: Place,
  nodes: (chunk: string) => readonly (object | null)[],
): Promise<Snapshot> {
  const core = await coreOf(place);
  await using sink = openBlobSink(core, await loadIndex(core, run), run);
  const { done } = await sink.start("storeBlobs", { type: "data", blobs: [Buffer.from("evil")] });
  const chunk = Buffer.from((await done).ids).toString("hex");
  const treeOf = (inside: unknown): Promise<string> =>
    sink.tree(Buffer.from(`${JSON.stringify({ nodes: inside })}\n`));
  const subtree = await treeOf(nodes(chunk));
  const tree = await treeOf([node("top", 0, { type: "dir", content: null, subtree })]);
  await sink.finish();
  const file = { time: "2026-01-01T00:00:00Z", tree, paths: ["/top"] };
  return { ...file, id: await core.files.save("snapshots", encodeSnapshot(file), run) };
}

suite("trees that lastgood does not write", { concurrency: 4 }, () => {
  for (const { what, nodes } of [
    { what: "nothing for a node", nodes: () => [null] },
    { what: "half an inode", nodes: (id: string) => [node("f", 4, { content: [id], inode: 1.5 })] },
    { what: "a list for an id", nodes: (id: string) => [node("f", 4, { content: [[id]] })] },
  ]) {
    test(`a tree with ${what} is CORRUPT, and check says so`, async () => {
      await using place = await newPlace();
      const { repository, at } = place;
      const snapshot = await saveCrafted(place, nodes);
      const restored = repository.read(snapshot, run, (reader) => reader.tree("top", at("out")));
      await assert.rejects(restored, { name: "AppError", code: "CORRUPT" });
      const { errors } = await repository.check({ readData: "none" }, run);
      assert.match(errors.join("\n"), /read tree/);
    });
  }

  test("two names of one inode, but not of one content, are two files", async () => {
    await using place = await newPlace();
    const { repository, at } = place;
    const inode = { inode: 7, device_id: 1, links: 2 };
    const snapshot = await saveCrafted(place, (id) => [
      node("a", 4, { content: [id], ...inode }),
      node("b", 8, { content: [id, id], ...inode }),
    ]);
    await repository.read(snapshot, run, (reader) => reader.tree("top", at("out")));
    const restored = ["a", "b"].map((name) => fs.readFileSync(at(`out/${name}`), "utf8"));
    assert.deepEqual(restored, ["evil", "evilevil"]);
  });
});
