import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "node:test";
import { testIn } from "../../../test/support/files.ts";
import { backUp, newRepository } from "../../../test/support/repository.ts";
import { quietRun } from "../../../test/support/temporary.ts";

// Goal: what is left of files while others are written comes to its place, however much it is.

const CONTENTS = 300;
const COPIES = 4;
/** Long enough for the way past the cache, and with the longest edge that there can be. */
const BYTES = 256 * 1024 + 4095;

suite("writing contents", () => {
  testIn("more edges than are kept", async (folder) => {
    const run = quietRun();
    const at = (...names: string[]): string => path.join(folder, ...names);
    await mkdir(at("tree"));
    const contents = Array.from({ length: CONTENTS }, () => randomBytes(BYTES));
    for (const [n, content] of contents.entries()) {
      for (let copy = 0; copy < COPIES; copy++)
        await writeFile(at("tree", `${n}-${copy}`), content);
    }
    const repository = await newRepository(at("repo"), run);
    const { snapshot } = await backUp(repository, at("tree"), run);
    await repository.read(snapshot, run, (reader) => reader.tree("tree", at("out")));
    for (const [n, content] of contents.entries()) {
      for (let copy = 0; copy < COPIES; copy++) {
        const name = `${n}-${copy}`;
        assert(readFileSync(at("out", name)).equals(content), name);
      }
    }
  });
});
