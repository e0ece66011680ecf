import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { quietRun, temporaryFolder } from "../../test/support/temporary.ts";
import { readSecret } from "./secrets.ts";

// Goal: a password is what restic takes it for, wherever it comes from.

const run = quietRun();

suite("secrets", () => {
  test("of a file, what is around the words is no part of it", async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "key");
    for (const text of ["two words", "two words\n", " two words \r\n\n", "\ttwo words"]) {
      await writeFile(file, text);
      assert.equal(await readSecret({ file }, {}, run), "two words");
    }
  });

  test("of what a command prints as well", async () => {
    const command: [string, ...string[]] = ["/bin/echo", " two words "];
    assert.equal(await readSecret({ command }, {}, run), "two words");
  });

  test("of the environment all is part of it", async () => {
    assert.equal(await readSecret({ env: "KEY" }, { KEY: " two words " }, run), " two words ");
  });

  test("one that is empty is none", async () => {
    await assert.rejects(readSecret({ env: "KEY" }, {}, run), { code: "NOT_FOUND" });
  });
});
