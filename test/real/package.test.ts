import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../support/temporary.ts";

// Goal: what is published works where there are no sources: the command, the library, the threads.

const root = path.resolve(import.meta.dirname, "../..");

const PROGRAM = `
import { createRepository, folderBackend, openRepository } from "lastgood/repository";
const run = { signal: new AbortController().signal, report() {} };
const backend = folderBackend("repository");
await createRepository(backend, "password", {}, run);
const repository = await openRepository(backend, "password", {}, run);
await repository.write(undefined, run, async (writer) => {
  await writer.tree("source", "source", {});
  await writer.commit({ time: new Date(), paths: ["source"] });
});
const [snapshot] = await repository.snapshots(run);
await repository.read(snapshot, run, (reader) => reader.tree("source", "out"));
`;

test("the packed package installs, and its command and its library work", async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  try {
    npm(root, "pack", "--pack-destination", folder);
  } finally {
    await rm(path.join(root, "dist"), { recursive: true, force: true });
  }
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  writeFileSync(path.join(folder, "package.json"), '{ "private": true, "type": "module" }');
  npm(folder, "install", "--no-audit", "--prefer-offline", `./${tarball!}`);
  await mkdir(path.join(folder, "source"));
  await writeFile(path.join(folder, "source", "file"), "content ".repeat(500_000));
  await writeFile(path.join(folder, "program.mjs"), PROGRAM);
  execFileSync(process.execPath, ["program.mjs"], { cwd: folder });
  execFileSync("cmp", ["source/file", "out/file"], { cwd: folder });
  const bin = path.join(folder, "node_modules/lastgood/bin/lastgood.js");
  const said = execFileSync(process.execPath, [bin, "demo"], { cwd: folder, encoding: "utf8" });
  assert.match(said, /rows back in .*; the repository stores/);
});
