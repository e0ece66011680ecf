import assert from "node:assert/strict";
import { chmod, chown, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { readKey, writeKey } from "./env-file.ts";

// Goal: one key gets its value, and every other byte of the file stays: it has other people's secrets.

const KEY = "WEB_VERSION";

suite("env files", () => {
  const cases: Record<string, [before: string, value: string | undefined, after: string]> = {
    "a plain line": ["A=1\nWEB_VERSION=1.0.0\nB=2\n", "1.0.0", "A=1\nWEB_VERSION=2.0.0\nB=2\n"],
    "a comment behind": ["WEB_VERSION=1.0.0 # by ops\n", "1.0.0", "WEB_VERSION=2.0.0 # by ops\n"],
    quotes: ['WEB_VERSION="1.0.0"\n', "1.0.0", "WEB_VERSION=2.0.0\n"],
    "export, spaces": ["  export WEB_VERSION=1.0.0\n", "1.0.0", "  export WEB_VERSION=2.0.0\n"],
    "Windows' line ends": ["A=1\r\nWEB_VERSION=1.0.0\r\n", "1.0.0", "A=1\r\nWEB_VERSION=2.0.0\r\n"],
    "the last of two counts": [
      "WEB_VERSION=1\nWEB_VERSION=2\n",
      "2",
      "WEB_VERSION=1\nWEB_VERSION=2.0.0\n",
    ],
    "not there": ["A=1\n", undefined, "A=1\nWEB_VERSION=2.0.0\n"],
    "no end of line": ["A=1", undefined, "A=1\nWEB_VERSION=2.0.0\n"],
    empty: ["", undefined, "WEB_VERSION=2.0.0\n"],
    "an empty value": ["WEB_VERSION=\n", "", "WEB_VERSION=2.0.0\n"],
    "a longer name, and a comment": [
      "MY_WEB_VERSION=1\n#WEB_VERSION=0\nWEB_VERSION=1.0.0\n",
      "1.0.0",
      "MY_WEB_VERSION=1\n#WEB_VERSION=0\nWEB_VERSION=2.0.0\n",
    ],
  };
  for (const [name, [before, value, after]] of Object.entries(cases)) {
    test(name, async () => {
      const folder = await mkdtemp(path.join(os.tmpdir(), "env-"));
      try {
        const file = path.join(folder, "real");
        await writeFile(file, before);
        await chmod(file, 0o640);
        const isRoot = process.getuid?.() === 0;
        if (isRoot) await chown(file, 1234, 1235);
        await symlink("real", path.join(folder, ".env"));
        assert.equal(await readKey(path.join(folder, ".env"), KEY), value);
        await writeKey(path.join(folder, ".env"), KEY, "2.0.0", path.join(folder, "locks"));
        assert.equal(await readFile(file, "utf8"), after);
        assert.equal(await readKey(file, KEY), "2.0.0");
        const { mode, uid, gid } = await stat(file);
        assert.equal(mode & 0o777, 0o640);
        if (isRoot) assert.deepEqual([uid, gid], [1234, 1235]);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }

  test("what is no text is left alone", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "env-"));
    try {
      const file = path.join(folder, ".env");
      await writeFile(file, Buffer.from([65, 61, 0xff, 10]));
      await assert.rejects(
        writeKey(file, KEY, "2.0.0", path.join(folder, "locks")),
        /is not UTF-8/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("who changes another key at the same time loses nothing", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "lastgood-"));
    try {
      const file = path.join(folder, ".env");
      const locks = path.join(folder, "locks");
      const keys = ["A", "B", "C", "D"];
      await writeFile(file, keys.map((key) => `${key}=0\n`).join(""));
      for (let value = 1; value <= 20; value++) {
        await Promise.all(keys.map((key) => writeKey(file, key, String(value), locks)));
        const found = await Promise.all(keys.map((key) => readKey(file, key)));
        assert.deepEqual(
          found,
          keys.map(() => String(value)),
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
