import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { folderBackend } from "../../src/backends/folder.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { backUp, newRepository } from "../support/repository.ts";
import { PASSWORD, restic } from "../support/restic.ts";
import { quietRun, temporaryFolder } from "../support/temporary.ts";

// Goal: extended attributes go through a repository, ours and restic's, whatever the names.

const run = quietRun();

function setAttribute(file: string | Buffer, name: string, value: string): void {
  // The path goes through standard input, as arguments of Node are UTF-8.
  const input = Buffer.concat([Buffer.from(file), Buffer.from("\0")]);
  execFileSync("xargs", ["-0", "setfattr", "-h", "-n", name, "-v", value], { input });
}

/** And what kind of thing each is. */
function attributesIn(folder: string): string {
  const command =
    "find . -print0 | sort -z | xargs -0 getfattr -h -d -m ^user -e base64; find . -printf '%y %m %p\\n' | sort";
  return execFileSync("sh", ["-c", command], { cwd: folder, encoding: "latin1" });
}

async function makeTree(folder: string): Promise<void> {
  await mkdir(path.join(folder, "sub"), { recursive: true });
  execFileSync("mkfifo", ["-m", "640", path.join(folder, "sub", "pipe")]);
  const odd = Buffer.concat([Buffer.from(`${folder}/line\nbreak\\slash=`), Buffer.of(0xff)]);
  for (const file of [path.join(folder, "plain"), path.join(folder, "none"), odd]) {
    await writeFile(file, "content");
  }
  setAttribute(path.join(folder, "plain"), "user.text", "a value");
  setAttribute(path.join(folder, "plain"), "user.empty", "");
  setAttribute(path.join(folder, "sub"), "user.folder", "\\000binary\\377");
  setAttribute(odd, "user.odd", "odd");
}

suite("extended attributes", () => {
  test("ours to ours, to restic, and again when nothing has changed", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await makeTree(at("src"));
    const expected = attributesIn(at("src"));
    assert.match(expected, /user\.odd/);
    const repository = await newRepository(at("repository"), run);
    const first = await backUp(repository, at("src"), run);
    const second = await backUp(repository, at("src"), run, first.snapshot);
    await repository.read(second.snapshot, run, (reader) => reader.tree("src", at("restored")));
    assert.equal(attributesIn(at("restored")), expected);
    await restic(at("repository"), "restore", "latest", "--target", at("by-restic"));
    assert.equal(attributesIn(at("by-restic/src")), expected);
  });

  test("restic's to ours", async () => {
    await using temporary = await temporaryFolder();
    const at = (name: string): string => path.join(temporary.path, name);
    await makeTree(at("src"));
    await restic(at("repository"), "init");
    await restic(at("repository"), "backup", at("src"));
    const repository = await openRepository(folderBackend(at("repository")), PASSWORD, {}, run);
    const [snapshot] = await repository.snapshots(run);
    await repository.read(snapshot!, run, (reader) =>
      reader.tree(at("src").slice(1), at("restored")),
    );
    assert.equal(attributesIn(at("restored")), attributesIn(at("src")));
  });
});
