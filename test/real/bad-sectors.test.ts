import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { suite, test } from "node:test";
import { assertRestorable, newPlace, packOf, packsIn, type Place } from "../support/damage.ts";
import { cannotMount, type Mounted, mounted } from "../support/mounted.ts";
import { backUp, newRepository } from "../support/repository.ts";
import { quietRun } from "../support/temporary.ts";

// Goal: what a disk can no longer read is damage like any other: it is named, nothing builds on it, and
// what is sound elsewhere takes its place.
// Method: a real btrfs, which knows by its checksums that what it reads is not what was written,
// and says EIO then, as every disk does of a bad sector.

const run = quietRun();

/** The repository, moved to such a disk. */
function onDisk(place: Place): Mounted {
  fs.renameSync(place.at("repo"), place.at("before"));
  const disk = mounted(place.at("repo"), "btrfs");
  execFileSync("cp", ["-a", `${place.at("before")}/.`, place.at("repo")]);
  return disk;
}

/** From now on nobody can read the blocks of this file. */
function makeUnreadable(file: string, disk: Mounted): void {
  const bytes = fs.readFileSync(file);
  const needle = bytes.subarray(4096, 4160);
  disk.without((image) => {
    const all = fs.readFileSync(image);
    const at = all.indexOf(needle);
    assert(at > 0);
    const descriptor = fs.openSync(image, "r+");
    fs.writeSync(descriptor, Buffer.from([needle[0]! ^ 1]), 0, 1, at);
    fs.closeSync(descriptor);
  });
  assert.throws(() => fs.readFileSync(file), { code: "EIO" });
}

suite("what a disk cannot read", { skip: cannotMount }, () => {
  test("a check names the pack, and the next backup stores again what it had", async () => {
    await using place = await newPlace();
    using disk = onDisk(place);
    const pack = packOf("data", place);
    makeUnreadable(pack, disk);
    const { errors } = await place.repository.check({ readData: "all" }, run);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, /^pack [0-9a-f]{8}: .*the disk cannot read it/);
    const next = await backUp(place.repository, place.at("src"), run, place.snapshot);
    await assertRestorable(place, next.snapshot);
    // Of two copies the sound one is taken.
    await assertRestorable(place, place.snapshot);
    const other = await newRepository(place.at("other"), run);
    await place.repository.copyTo(other, [place.snapshot.id], run);
    await place.repository.prune("do", run);
    assert(!fs.existsSync(pack));
    assert.deepEqual((await place.repository.check({ readData: "all" }, run)).errors, []);
  });

  test("so does a restore, which says what it could not read", async () => {
    await using place = await newPlace();
    using disk = onDisk(place);
    makeUnreadable(packOf("data", place), disk);
    await assert.rejects(assertRestorable(place, place.snapshot), (error: Error) => {
      assert.match(error.message, /read pack [0-9a-f]{8}: the disk cannot read it/);
      return (error as { code?: string }).code === "CORRUPT";
    });
    const next = await backUp(place.repository, place.at("src"), run, place.snapshot);
    await assertRestorable(place, next.snapshot);
  });

  test("trees too", async () => {
    await using place = await newPlace();
    for (let n = 0; n < 100; n++) {
      fs.mkdirSync(place.at(`src/folder ${n}`));
      fs.writeFileSync(place.at(`src/folder ${n}/file`), `file ${n}`);
    }
    const second = { ...place, ...(await backUp(place.repository, place.at("src"), run)) };
    using disk = onDisk(second);
    const packs = packsIn(place.at("repo")).filter((file) => fs.statSync(file).size > 4200);
    for (const pack of packs) makeUnreadable(pack, disk);
    const { errors } = await place.repository.check({ readData: "all" }, run);
    assert(errors.length >= packs.length);
    const next = await backUp(place.repository, place.at("src"), run, second.snapshot);
    await assertRestorable(second, next.snapshot);
  });
});
