import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { doctor, repairAll } from "../../src/operations/doctor.ts";
import { deploy } from "../../src/operations/releases/deploy.ts";
import { rollback } from "../../src/operations/releases/rollback.ts";
import { stopComponents } from "../../src/operations/stop-start.ts";
import type { System } from "../../src/operations/system.ts";
import { install, links } from "../support/device.ts";
import { freePort, makeRelease, newDevice } from "../support/releases.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: a disk without room, inodes or permission ends a deploy in one line, with the services as they
// were; and going back needs no room at all.

const run = quietRun();
const skip = process.getuid?.() !== 0 && "mounting needs root";

/** A device whose releases lie on a small disk of their own. */
async function onSmallDisk(
  options: string,
  work: (system: System, folder: string, disk: string) => Promise<void>,
): Promise<void> {
  await using temporary = await temporaryFolder();
  const disk = path.join(temporary.path, "versions");
  fs.mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]);
  try {
    using system = await newDevice(temporary.path, await freePort());
    await install(system, temporary.path, "1.0.0");
    await install(system, temporary.path, "1.1.0");
    await work(system, temporary.path, disk);
    await stopComponents(system, undefined, "", run);
  } finally {
    spawnSync("chattr", ["-R", "-f", "-i", disk]);
    execFileSync("umount", ["-l", disk]);
  }
}

function fill(disk: string, leave: number): void {
  const { bavail, bsize } = fs.statfsSync(disk);
  fs.writeFileSync(path.join(disk, "ballast"), Buffer.alloc(Math.max(0, bavail * bsize - leave)));
}

async function stillWell(system: System, folder: string): Promise<void> {
  assert.equal(links(folder)[0], "v1.1.0");
  assert.equal(await system.components[0]!.runner!.isAlive(run), true);
  const names = fs.readdirSync(path.join(folder, "versions"));
  assert(!names.includes("v1.2.0"), names.join());
}

suite("releases on a small disk", { skip }, () => {
  test("no room is seen before anything is begun, and going back needs none", async () => {
    await onSmallDisk("size=100m", async (system, folder, disk) => {
      fill(disk, 8 * 1024 * 1024);
      const refused = await install(system, folder, "1.2.0").catch((error: unknown) => error);
      assert(hasCode(refused, "NO_SPACE"), String(refused));
      await stillWell(system, folder);
      fs.rmSync(path.join(disk, "ballast"));
      fill(disk, 0);
      const options = { to: "previous", data: "as-needed", reason: "", force: false } as const;
      const { outcome, error } = await rollback(system, "app", options, run);
      assert.equal(outcome, "committed", error);
      assert.equal(links(folder)[0], "v1.0.0");
    });
  });

  test("a disk that fills up while it is unpacked", async () => {
    await onSmallDisk("size=100m", async (system, folder, disk) => {
      fill(disk, 45 * 1024 * 1024);
      const zeros = "0".repeat(60 * 1024 * 1024);
      const from = path.join(folder, "bomb.tar.gz");
      const release = makeRelease(folder, "1.2.0", "good", { zeros });
      execFileSync("tar", ["-C", release, "-czf", from, "."]);
      const options = { source: { from }, reason: "", force: false };
      const { outcome, error } = await deploy(system, "app", "1.2.0", options, run);
      assert.equal(outcome, "aborted");
      assert.match(error ?? "", /no space left/);
      await stillWell(system, folder);
    });
  });

  test("no inodes left", async () => {
    await onSmallDisk("size=100m,nr_inodes=400", async (system, folder) => {
      const files = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`f${i}`, `${i}`]));
      const from = makeRelease(folder, "1.2.0", "good", files);
      const options = { source: { from }, reason: "", force: false };
      const { outcome, error } = await deploy(system, "app", "1.2.0", options, run);
      assert.equal(outcome, "aborted");
      assert.match(error ?? "", /no space left/);
      await stillWell(system, folder);
    });
  });

  test("a disk that is read-only", async () => {
    await onSmallDisk("size=100m", async (system, folder, disk) => {
      execFileSync("mount", ["-o", "remount,ro", disk]);
      const refused = await install(system, folder, "1.2.0").catch((error: unknown) => error);
      assert.match(
        String((refused as { error?: string }).error ?? refused),
        /permission denied|read-only/,
      );
      await stillWell(system, folder);
      execFileSync("mount", ["-o", "remount,rw", disk]);
    });
  });

  test("a folder that is immutable", async (t) => {
    await onSmallDisk("size=100m", async (system, folder) => {
      await stopComponents(system, undefined, "", run);
      // tmpfs knows no such thing: a disk that does lies in its place.
      const image = path.join(folder, "image");
      execFileSync("truncate", ["-s", "60m", image]);
      execFileSync("mkfs.ext4", ["-q", image]);
      const disk = path.join(folder, "versions");
      execFileSync("mount", ["-o", "loop", image, disk]);
      try {
        await install(system, folder, "1.0.0");
        await install(system, folder, "1.1.0");
        execFileSync("chattr", ["+i", disk]);
        await assert.rejects(install(system, folder, "1.2.0"), /permission denied/);
        await stillWell(system, folder);
        await stopComponents(system, undefined, "", run);
      } finally {
        execFileSync("chattr", ["-i", disk]);
        execFileSync("umount", [disk]);
      }
      t.diagnostic("refused by the file system, and told in one line");
    });
  });

  test("problem 4: doctor finds a full disk, and frees what nobody needs", async () => {
    await onSmallDisk("size=120m", async (system, folder, disk) => {
      const isFull = async (): Promise<boolean> =>
        (await doctor(system, run)).some(({ problem }) => /versions is full/.test(problem));
      for (const version of ["1.2.0", "1.3.0"]) await install(system, folder, version);
      fs.mkdirSync(path.join(disk, "v0.9.0"));
      fs.writeFileSync(path.join(disk, "v0.9.0", "old"), Buffer.alloc(50 * 1024 * 1024));
      fill(disk, 1024 * 1024);
      assert.equal(await isFull(), true);
      const { done, failed } = await repairAll(await doctor(system, run), run);
      assert.match(done.join(), /releases that nobody needs/, failed.join());
      assert.equal(await isFull(), false);
      assert(!fs.existsSync(path.join(disk, "v0.9.0")));
      assert.deepEqual(links(folder).slice(0, 2), ["v1.3.0", "v1.2.0"]);
    });
  });
});
