import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { ERRORS } from "../src/base/errors.ts";
import { OUTCOMES } from "../src/cli/outcome.ts";
import { generateHot } from "../tools/build-wasm.ts";
import { generatePrintable } from "../tools/build-printable.ts";

// Goal: the rules that keep the tree readable hold by themselves.

const root = path.resolve(import.meta.dirname, "..");

/** Which folders of src a folder may import from, besides itself. Roots: main.ts and plugins.ts. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  s3: ["base"],
  backends: ["base", "s3"],
  slots: ["base"],
  engine: ["base"],
  runners: ["base", "engine"],
  checks: ["base"],
  notifiers: ["base"],
  repository: ["base", "backends"],
  stores: ["base", "slots", "repository", "s3"],
  targets: ["base", "slots", "runners", "engine"],
  journal: ["base", "slots"],
  config: ["base"],
  operations: [
    "base",
    "backends",
    "slots",
    "engine",
    "runners",
    "checks",
    "repository",
    "stores",
    "targets",
    "notifiers",
    "journal",
    "config",
    "plugins.ts",
  ],
  cli: ["base", "config", "operations"],
  http: ["base", "config", "operations"],
};

/** Types may be named from a little further away, since they are gone when the program runs. */
const MAY_IMPORT_TYPES: Record<string, readonly string[]> = {
  cli: ["repository", "journal", "checks"],
};

const PROGRAMS = [
  "main.ts",
  "operations/demo/app.ts",
  "operations/demo/control.ts",
  "operations/drill/inside.ts",
];

/** Words that only the named files may use. */
const RESERVED: readonly { word: RegExp; why: string; files: readonly string[] }[] = [
  {
    word: /\bprocess\.(exit|argv|env|std|cwd|on|kill)/,
    why: "only main.ts speaks with the process",
    files: [...PROGRAMS, "base/host.ts", "base/freeze.ts", "base/processes.ts"],
  },
  {
    word: /\bconsole\.(log|error|warn|info|debug|table|trace)/,
    why: "report an event instead",
    files: [],
  },
  {
    word: /\bDate\.now\(|new Date\(\)/,
    why: "only the clock reads the time",
    files: ["base/clock.ts"],
  },
  {
    word: /from "node:child_process"/,
    why: "only base/exec.ts runs programs",
    files: [
      "base/end-child.ts",
      "base/exec.ts",
      "base/exec-lines.ts",
      "base/exec-stream.ts",
      "base/freeze.ts",
      "base/processes.ts",
      "operations/demo/control.ts",
    ],
  },
];

const LINES_MAX = 300;
const LINES_MEDIAN_MAX = 80;

async function sources(): Promise<{ file: string; text: string }[]> {
  const files = await Array.fromAsync(glob("**/*.ts", { cwd: path.join(root, "src") }));
  const own = files.filter((file) => !/\.generated\.ts$|\.test\.ts$|\.d\.ts$/.test(file));
  return await Promise.all(
    own.map(async (file) => ({ file, text: await readFile(path.join(root, "src", file), "utf8") })),
  );
}

test("folders import only from the layers below them", async () => {
  const folderOf = (file: string): string => file.split("/")[0]!;
  const wrong: string[] = [];
  for (const { file, text } of await sources()) {
    const folder = folderOf(file);
    if (!file.includes("/")) continue;
    const imports = text.matchAll(/import (type )?[^;]*?from "(\.[^"]+)"|import\("(\.[^"]+)"\)/g);
    for (const [, isType, fixed, lazy] of imports) {
      const other = folderOf(path.join(path.dirname(file), fixed ?? lazy!));
      const allowed = [
        folder,
        ...(MAY_IMPORT[folder] ?? []),
        ...(isType === undefined ? [] : (MAY_IMPORT_TYPES[folder] ?? [])),
      ];
      if (!allowed.includes(other)) wrong.push(`${file} -> ${other}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("files are short and use no reserved words", async () => {
  const wrong: string[] = [];
  const lengths: number[] = [];
  for (const { file, text } of await sources()) {
    const lines = text.split("\n").length;
    lengths.push(lines);
    if (lines > LINES_MAX) wrong.push(`${file}: ${lines} lines, at most ${LINES_MAX}`);
    for (const { word, why, files } of RESERVED) {
      if (word.test(text) && !files.includes(file)) wrong.push(`${file}: ${why}`);
    }
  }
  const median = lengths.toSorted((a, b) => a - b)[Math.floor(lengths.length / 2)]!;
  if (median > LINES_MEDIAN_MAX) wrong.push(`the median file has ${median} lines`);
  assert.deepEqual(wrong, []);
});

test("docs/errors.md has each error and outcome with its exit code, and no other", async () => {
  const text = await readFile(path.join(root, "docs/errors.md"), "utf8");
  const documented = [...text.matchAll(/^## (\S+) \((\d+)\)$/gm)].map(
    ([, code, exit]) => `${code} ${exit}`,
  );
  const known = { ...ERRORS, ...OUTCOMES };
  const expected = Object.entries(known).map(([code, { exit }]) => `${code} ${exit}`);
  assert.deepEqual(documented.toSorted(), expected.toSorted());
});

test("the WebAssembly is what its source compiles to", async () => {
  const file = path.join(root, "src/repository/wasm/hot.generated.ts");
  assert.equal(await readFile(file, "utf8"), await generateHot());
});

const unicode = "/usr/share/unicode/UnicodeData.txt";
const skip = !existsSync(unicode) && "unicode-data is not installed";
test("the table of printable characters is what Unicode 15 says", { skip }, async () => {
  const file = path.join(root, "src/repository/format/printable.generated.ts");
  assert.equal(await readFile(file, "utf8"), await generatePrintable());
});
