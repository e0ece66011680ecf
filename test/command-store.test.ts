import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { symlink, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import type { System } from "../src/operations/system.ts";
import { undo } from "../src/operations/undo.ts";
import { toolsAt } from "../src/stores/database/tools.ts";
import { validate } from "../src/operations/validate.ts";
import { isFileStore } from "../src/stores/store.ts";
import { throughPoint } from "./support/given-up.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: data that only programs can read and write come back as they were, and a program that fails in
// the middle leaves what was live.

const run = quietRun();
const ALL = { reason: "", include: [] };
const BACK = { reason: "", force: false };

/** A folder that only tar can read and write. */
async function newStore(
  folder: string,
  load: readonly string[] = [],
  rest: object = {},
): Promise<System> {
  const data = path.join(folder, "data");
  await mkdir(data);
  await writeFile(path.join(data, "a"), "then");
  const script = `rm -rf "${data}" && mkdir "${data}" && tar -C "${data}" -xf -`;
  const command = {
    dump: ["tar", "-C", data, "-cf", "-", "."],
    load: load.length > 0 ? load : ["sh", "-c", script],
    check: ["tar", "-tf", "-"],
  };
  return await newSystem(folder, { stores: { files: { command } } }, rest);
}

suite("command stores", () => {
  test("comes back, and undo puts back what was there", async () => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path);
    const file = path.join(temporary.path, "data/a");
    const { valid, stamp } = await backup(system, ALL, run);
    assert(valid);
    assert.deepEqual((await validate(system, stamp, run)).errors, []);
    await writeFile(file, "now");
    await writeFile(`${file}2`, "newer");
    const back = await restore(system, stamp, BACK, run);
    assert.equal(back.outcome, "committed", back.error);
    assert.equal(await readFile(file, "utf8"), "then");
    await assert.rejects(readFile(`${file}2`));
    await throughPoint(system, `before-${back.operation}`, async () => {
      assert.equal(await readFile(`${file}2`, "utf8"), "newer");
    });
    const undone = await undo(system, undefined, { reason: "" }, run);
    assert.equal(undone.outcome, "committed", undone.error);
    assert.equal(await readFile(file, "utf8"), "now");
    assert.equal(await readFile(`${file}2`, "utf8"), "newer");
  });

  test("what says that a copy was left, and cannot be read, keeps nobody from proving", async () => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path);
    const { stamp } = await backup(system, ALL, run);
    const marks = path.join(system.paths.state, "proofs");
    await mkdir(marks, { recursive: true });
    for (const name of [".tmp-half", "other.json"]) await writeFile(path.join(marks, name), "{");
    const said: string[] = [];
    const report: typeof run.report = (event) => {
      if (event.type === "warning") said.push(event.message);
    };
    assert.deepEqual((await validate(system, stamp, { ...run, report })).errors, []);
    assert.match(said.join(), /^other: a copy that was left there stays: [^,]*JSON[^,]*$/);
  });

  test("a backup does not fail for what it cannot clear up", async () => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path);
    await symlink("proofs", path.join(system.paths.state, "proofs"));
    const said: string[] = [];
    const report: typeof run.report = (event) => {
      if (event.type === "warning") said.push(event.message);
    };
    assert((await backup(system, ALL, { ...run, report })).valid);
    assert.match(said.join(), /^what a validation may have left stays: ELOOP/);
  });

  test("a copy that could not be removed is remembered until it is", async ({ mock }) => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path);
    const { stamp: first } = await backup(system, ALL, run);
    const { stamp: second } = await backup(system, ALL, run);
    const { store } = system.components[0]!.stores[0]!;
    assert(!isFileStore(store));
    const { discard } = store.versions;
    const marks = (): Promise<string[]> => readdir(path.join(system.paths.state, "proofs"));
    // The server does not answer when what belongs to the first is to go.
    const discarding = mock.method(
      store.versions,
      "discard",
      (...args: Parameters<typeof discard>) =>
        args[0].endsWith(first) ? Promise.reject(new Error("gone")) : discard(...args),
    );
    await validate(system, first, run).catch(() => {});
    assert.equal((await marks()).length, 1);
    assert.deepEqual((await validate(system, second, run)).errors, []);
    assert.equal((await marks()).length, 1);
    discarding.mock.restore();
    assert.deepEqual((await validate(system, second, run)).errors, []);
    assert.deepEqual(await marks(), []);
  });

  test("a plain copy of a point has what the program said", async () => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path, [], { export: { at: "exported" } });
    const { stamp, warnings } = await backup(system, ALL, run);
    assert.deepEqual(warnings, []);
    const files = await readdir(path.join(temporary.path, "exported", stamp, "files"));
    assert.equal(files.length, 1);
    const out = path.join(temporary.path, "out");
    await mkdir(out);
    const dump = path.join(temporary.path, "exported", stamp, "files", files[0]!);
    await promisify(execFile)("tar", ["-C", out, "-xf", dump]);
    assert.equal(await readFile(path.join(out, "a"), "utf8"), "then");
  });

  test("a program that ends before it has all that it is given is an error, whatever it says", async () => {
    const tools = toolsAt({ container: undefined, dockerHost: undefined }, async () => ({}));
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(65_536);
    })();
    await assert.rejects(tools.write(["head", "-c", "9"], endless, run), /EPIPE|Premature/);
  });

  test("a program that fails in the middle of loading: what was live is put back", async () => {
    await using temporary = await temporaryFolder();
    const data = path.join(temporary.path, "data");
    // It does half of its work the first time, and all of it from then on.
    const script = `rm -rf "${data}"; test -e "${data}.once" || { touch "${data}.once"; exit 1; }; mkdir "${data}" && tar -C "${data}" -xf -`;
    using system = await newStore(temporary.path, ["sh", "-c", script]);
    const { stamp } = await backup(system, ALL, run);
    await writeFile(path.join(data, "a"), "now");
    const { outcome } = await restore(system, stamp, BACK, run);
    assert.equal(outcome, "rolled-back");
    assert.equal(await readFile(path.join(data, "a"), "utf8"), "now");
  });

  test("a program that prints nothing, or fails, makes no valid point", async () => {
    await using temporary = await temporaryFolder();
    using system = await newStore(temporary.path);
    await rm(path.join(temporary.path, "data"), { recursive: true });
    const { valid, errors, warnings } = await backup(system, ALL, run);
    assert(!valid);
    assert.deepEqual(errors, ["files_unreadable"]);
    assert.match(warnings.join(), /run tar: exit code 2/);
  });
});
