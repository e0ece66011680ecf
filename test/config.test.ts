import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { AppError } from "../src/base/errors.ts";
import { configJsonSchema } from "../src/config/json-schema.ts";
import { parseConfig } from "../src/config/load.ts";

const HEAD = `system: test
repository:
  at: repo
  password: { file: key }
components:
  app:
    stores:
`;

const MISTAKES: readonly { readonly name: string; readonly text: string; readonly says: RegExp }[] =
  [
    { name: "an empty file", text: "", says: /:1:1: / },
    { name: "no YAML", text: "system: [", says: /lastgood\.yaml:1:\d+: / },
    {
      name: "a key twice",
      text: `${HEAD}      db: { sqlite: a }\nsystem: b\n`,
      says: /:9:1: .*unique/,
    },
    {
      name: "an unknown key, with the nearest",
      text: `${HEAD}      db: { sqlite: a, optionl: true }\n`,
      says: /:8:24: components\.app\.stores\.db: unknown key optionl; did you mean optional\?/,
    },
    {
      name: "a needed key with a typing error: that one, not the one that is missing",
      text: `${HEAD}      db: { mysql: { databse: shop } }\n`,
      says: /mysql: unknown key databse; did you mean database\?/,
    },
    {
      name: "an unknown key at the top",
      text: `${HEAD}      db: { sqlite: a }\nkep: {}\n`,
      says: /:9:1: unknown key kep; did you mean keep\?/,
    },
    { name: "something missing", text: "system: a\n", says: /repository is missing/ },
    {
      name: "two kinds of store",
      text: `${HEAD}      db: { sqlite: a, file: b }\n`,
      says: /:8:11: .*exactly one of sqlite, file/,
    },
    {
      name: "a wrong type",
      text: `${HEAD}      db: { sqlite: 5 }\n`,
      says: /:8:21: components\.app\.stores\.db\.sqlite/,
    },
    {
      name: "a bad duration",
      text: `${HEAD}      db: { sqlite: a }\nundo-for: 3 weeks\n`,
      says: /:9:11: undo-for: a duration such as/,
    },
    {
      name: "a mode that YAML takes for a number",
      text: `${HEAD}      db: { sqlite: a, mode: 0600 }\n`,
      says: /:8:30: .*mode/,
    },
    {
      name: "a secret in the file",
      text: HEAD.replace("{ file: key }", "hunter2"),
      says: /:4:13: repository\.password/,
    },
    {
      name: "a shell line",
      text: `${HEAD}      db: { sqlite: a }\n    checks: { c: { command: "a b" } }\n`,
      says: /:9:29: .*checks\.c\.command/,
    },
    {
      name: "healthy-for longer than the deadline",
      text: `${HEAD}      db: { sqlite: a }\n    verify: { healthy-for: 40s }\n`,
      says: /:9:13: .*shorter than deadline/,
    },
  ];

suite("configuration", () => {
  for (const { name, text, says } of MISTAKES) {
    test(`${name} is one clear line`, () => {
      assert.throws(
        () => parseConfig(text, "/x/lastgood.yaml"),
        (error) => {
          assert(error instanceof AppError && error.code === "CONFIG_INVALID", String(error));
          assert.match(error.message, says);
          assert.doesNotMatch(error.message, /\n|hunter2/);
          return true;
        },
      );
    });
  }

  test("relative paths are meant from the folder of the file", () => {
    const config = parseConfig(
      `${HEAD}      db: { sqlite: data/a.db }\n    files: [.env]\n`,
      "/x/lastgood.yaml",
    );
    assert.equal(config.components["app"]!.stores["db"]!.sqlite, "/x/data/a.db");
    assert.deepEqual(config.components["app"]!.files, ["/x/.env"]);
    assert.equal(config.repository.at, "/x/repo");
    assert.deepEqual(config.repository.password, { file: "/x/key" });
  });
});

test("the committed schema is the one that the program has", () => {
  const file = path.join(import.meta.dirname, "../lastgood.schema.json");
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), structuredClone(configJsonSchema()));
});
