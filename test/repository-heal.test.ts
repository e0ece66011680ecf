import assert from "node:assert/strict";
import * as fs from "node:fs";
import { suite, test } from "node:test";
import type { Backend } from "../src/backends/backend.ts";
import { folderBackend } from "../src/backends/folder.ts";
import { AppError } from "../src/base/errors.ts";
import type { Run } from "../src/base/events.ts";
import { openRepository } from "../src/repository/repository.ts";
import {
  assertRestorable,
  harm,
  largestPack,
  newPlace,
  packOf,
  type Place,
} from "./support/damage.ts";
import { backUp, newRepository } from "./support/repository.ts";
import { PASSWORD } from "./support/restic.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what a repository has lost it gets back, where it can still be had.

const run = quietRun();

/** A run, and what it was warned of. */
function hearing(): Run & { readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const report: Run["report"] = (event) =>
    void (event.type === "warning" && warnings.push(event.message));
  return { ...run, report, warnings };
}

/** A bit of the first blob turns over: all that tells it is the seal. */
const flipBit = (pack: string): void =>
  harm(pack, (bytes) => {
    bytes[100]! ^= 1;
    return bytes;
  });

/** The ways in which damage is found that no size shows. */
const FINDERS: Record<string, (place: Place) => Promise<void>> = {
  async "a check"({ repository }) {
    const { errors } = await repository.check({ readData: "all" }, run);
    assert.notEqual(errors.length, 0);
  },
  async "a restore"(place) {
    await assert.rejects(assertRestorable(place, place.snapshot), { code: "CORRUPT" });
  },
};

const readOf = async ({ repository, snapshot }: Place, name: string): Promise<Buffer> =>
  await repository.read(snapshot, run, (reader) => reader.read(name));

/** The next backup stores again what one pack had; then all is whole, also what was there before. */
async function assertHeals(place: Place): Promise<void> {
  const { repository, snapshot, at } = place;
  const { warnings, ...inner } = hearing();
  const next = await backUp(repository, at("src"), inner, snapshot);
  assert.match(warnings.join(), /1 pack that its index names is missing, cut off or damaged/);
  await assertRestorable(place, next.snapshot);
  // The one before had the same in it.
  await assertRestorable(place, snapshot);
  await repository.prune("do", run);
  assert.deepEqual((await repository.check({ readData: "all" }, run)).errors, []);
}

suite("what was lost comes back", { concurrency: 4 }, () => {
  for (const [finder, find] of Object.entries(FINDERS)) {
    for (const type of ["data", "tree"] as const) {
      test(`a pack of ${type} that ${finder} found damaged: the next backup does not build on it`, async () => {
        await using place = await newPlace();
        flipBit(packOf(type, place));
        await find(place);
        await assertHeals(place);
      });
    }
  }

  test("what is sound again is built on again", async () => {
    await using place = await newPlace();
    const pack = packOf("data", place);
    flipBit(pack);
    await place.repository.check({ readData: "all" }, run);
    flipBit(pack);
    await place.repository.check({ readData: "all" }, run);
    const { warnings, ...inner } = hearing();
    await backUp(place.repository, place.at("src"), inner, place.snapshot);
    assert.deepEqual(warnings, []);
  });

  test("of two copies the sound one goes to another repository", async () => {
    await using place = await newPlace();
    flipBit(packOf("data", place));
    await place.repository.check({ readData: "all" }, run);
    const next = await backUp(place.repository, place.at("src"), run, place.snapshot);
    const other = await newRepository(place.at("other"), run);
    await place.repository.copyTo(other, [next.snapshot.id], run);
    const [copied] = await other.snapshots(run);
    await assertRestorable({ ...place, repository: other }, copied!);
  });

  for (const type of ["data", "tree"] as const) {
    test(`what is damaged (${type}) keeps no other snapshot from a copy, and is named`, async () => {
      await using place = await newPlace();
      const { repository, snapshot } = place;
      flipBit(packOf(type, place));
      for (const name of ["src/in-a", "src/in-b"]) fs.rmSync(place.at(name), { recursive: true });
      fs.writeFileSync(place.at("src/another"), "another");
      const next = await backUp(repository, place.at("src"), run);
      const other = await newRepository(place.at("other"), run);
      const both = [snapshot.id, next.snapshot.id];
      const { copied, damaged } = await repository.copyTo(other, both, run);
      assert.deepEqual(copied, [next.snapshot.id]);
      assert.deepEqual(
        damaged.map(({ id }) => id),
        [snapshot.id],
      );
      assert.match(damaged[0]!.problem, type === "data" ? /^src\/in-.\/file: / : /tree/);
      const there = await other.snapshots(run);
      assert.equal(there.length, 1);
      await assertRestorable({ ...place, repository: other }, there[0]!);
      assert.deepEqual((await other.check({ readData: "all" }, run)).errors, []);
    });
  }

  test("what a copy has lost comes again out of the source, though nothing is new there", async () => {
    await using place = await newPlace();
    const other = await newRepository(place.at("other"), run);
    await place.repository.copyTo(other, [place.snapshot.id], run);
    flipBit(packOf("data", { ...place, at: (below) => place.at(below.replace(/^repo/, "other")) }));
    await other.check({ readData: "all" }, run);
    const { copied } = await place.repository.copyTo(other, [place.snapshot.id], run);
    assert.deepEqual(copied, []);
    const [there] = await other.snapshots(run);
    await assertRestorable({ ...place, repository: other }, there!);
  });

  test("what both have lost is named, though nothing is new there", async () => {
    await using place = await newPlace();
    const { repository, snapshot } = place;
    const other = await newRepository(place.at("other"), run);
    await repository.copyTo(other, [snapshot.id], run);
    for (const at of ["repo", "other"]) flipBit(largestPack(place.at(at)));
    await other.check({ readData: "all" }, run);
    const { copied, damaged } = await repository.copyTo(other, [snapshot.id], run);
    assert.deepEqual(copied, []);
    assert.deepEqual(
      damaged.map(({ id, wasThere }) => [id, wasThere]),
      [[snapshot.id, true]],
    );
  });

  test("what the source has lost and the target has keeps nothing from being copied", async () => {
    await using place = await newPlace();
    const { repository, snapshot } = place;
    const other = await newRepository(place.at("other"), run);
    await repository.copyTo(other, [snapshot.id], run);
    fs.writeFileSync(place.at("src/another"), "another");
    const next = await backUp(repository, place.at("src"), run, snapshot);
    flipBit(largestPack(place.at("repo")));
    const { copied, damaged } = await repository.copyTo(other, [next.snapshot.id], run);
    assert.deepEqual([copied, damaged], [[next.snapshot.id], []]);
    assert.deepEqual((await other.check({ readData: "all" }, run)).errors, []);
  });

  test("a tree that the target has without what is in it makes no copy whole", async () => {
    await using place = await newPlace();
    const { repository, snapshot } = place;
    const other = await newRepository(place.at("other"), run);
    await repository.copyTo(other, [snapshot.id], run);
    const [there] = await other.snapshots(run);
    await other.forget([there!.id], run);
    // The trees stay, as a prune may leave them that has few of them; what is in them is gone.
    fs.chmodSync(largestPack(place.at("other")), 0o600);
    fs.rmSync(largestPack(place.at("other")));
    flipBit(packOf("tree", place));
    const { copied, damaged } = await repository.copyTo(other, [snapshot.id], run);
    assert.deepEqual(copied, []);
    assert.equal(damaged.length, 1);
    assert.deepEqual(await other.snapshots(run), []);
  });

  test("what only the target has to say is no damage of the source", async () => {
    await using place = await newPlace();
    const full = folderBackend(place.at("other"));
    const isData = (name: string): boolean => name.startsWith("data/");
    const failing: Backend = {
      ...full,
      localFolder: undefined,
      put: async (key, bytes, inner) => {
        if (isData(key)) throw new AppError("CORRUPT", `store ${key}: it reads back differently`);
        await full.put(key, bytes, inner);
      },
    };
    await newRepository(place.at("other"), run);
    const other = await openRepository(failing, PASSWORD, {}, run);
    const copying = place.repository.copyTo(other, [place.snapshot.id], run);
    await assert.rejects(copying, { code: "CORRUPT" });
    const { hints } = await place.repository.check({ readData: "none" }, run);
    assert.deepEqual(hints, []);
  });

  test("where a chunk is lost for good all else can be pruned", async () => {
    await using place = await newPlace();
    flipBit(packOf("data", place));
    const { errors } = await place.repository.check({ readData: "all" }, run);
    assert.notEqual(errors.length, 0);
    // What the older snapshot has and the newer one has not.
    for (const name of ["src/in-a/file", "src/in-b/file"]) {
      await assert.rejects(readOf(place, name), { code: "CORRUPT" }).then(
        () => fs.rmSync(place.at(name)),
        () => {},
      );
    }
    await backUp(place.repository, place.at("src"), run, place.snapshot);
    await place.repository.prune("do", run);
    await place.repository.forget([place.snapshot.id], run);
    await place.repository.prune("do", run);
    assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
  });

  test("with its index lost a repository says how to have it again, and nothing of prune", async () => {
    await using place = await newPlace();
    fs.rmSync(place.at("repo/index"), { recursive: true });
    const { errors, hints } = await place.repository.check({ readData: "none" }, run);
    assert.match(errors.join(), /is missing/);
    assert.match(hints.join(), /^2 packs are in no index and may have what is missing: lastgood/);
    await place.repository.repairIndex(run);
    assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
  });

  test("what a new index could not be made of is not told to be made into one", async () => {
    await using place = await newPlace();
    harm(packOf("data", place), (bytes) => {
      bytes[bytes.length - 30]! ^= 1;
      return bytes;
    });
    fs.rmSync(place.at("repo/index"), { recursive: true });
    assert.equal((await place.repository.repairIndex(run)).unreadable.length, 1);
    const { hints } = await place.repository.check({ readData: "none", isIndexNew: true }, run);
    assert.match(hints.join(), /is damaged where it says what is in it/);
    const next = await backUp(place.repository, place.at("src"), run, place.snapshot);
    await assertRestorable(place, next.snapshot);
    await assertRestorable(place, place.snapshot);
  });

  for (const type of ["data", "tree"] as const) {
    for (const [how, damage] of [
      ["is missing", (pack: string) => fs.rmSync(pack)],
      ["is cut off", (pack: string) => harm(pack, (bytes) => bytes.subarray(0, -40))],
    ] as const) {
      test(`a pack of ${type} that ${how}: the next backup stores it again, and all is whole`, async () => {
        await using place = await newPlace();
        damage(packOf(type, place));
        await assertHeals(place);
      });
    }
  }
});
