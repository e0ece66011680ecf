import assert from "node:assert/strict";
import * as fs from "node:fs";
import path from "node:path";
import { suite } from "node:test";
import { stringify } from "yaml";
import { put, testIn, textOf } from "./support/files.ts";
import { type Ended, lastgood } from "./support/lastgood.ts";

// Goal: what somebody has changed or mended since is neither forgotten nor passed over without a word.

type App = Readonly<Record<string, unknown>>;

function configure(folder: string, app: App, rest: object = {}): void {
  const repository = { at: "repo", password: { file: "key" } };
  const config = { system: "test", repository, components: { app }, ...rest };
  put(folder, { "lastgood.yaml": stringify(config) });
}

const runner =
  (folder: string) =>
  (code: number, ...args: string[]): Ended => {
    const ended = lastgood(folder, ...args);
    assert.equal(ended.code, code, `${args.join(" ")}: ${ended.err}${ended.out}`);
    return ended;
  };

suite("since the last operation", { concurrency: 2 }, () => {
  testIn("the program of an application lies elsewhere: undo starts it there", async (folder) => {
    const run = runner(folder);
    const app = (program: string): App => ({
      stores: { a: { file: "a" } },
      run: { process: [path.join(folder, program), "60"] },
      checks: { there: { command: ["test", "-e", path.join(folder, program)] } },
    });
    fs.symlinkSync("/bin/sleep", path.join(folder, "sleep-old"));
    put(folder, { a: "old", key: "secret\n" });
    configure(folder, app("sleep-old"));
    run(0, "init");
    run(0, "start");
    run(0, "backup");
    put(folder, { a: "new" });
    run(0, "restore", "latest", "--yes");
    fs.renameSync(path.join(folder, "sleep-old"), path.join(folder, "sleep-new"));
    configure(folder, app("sleep-new"));
    try {
      run(0, "undo", "--yes");
      assert.equal(textOf(folder, "a"), "new");
      run(0, "health");
    } finally {
      run(0, "stop");
    }
  });

  testIn(
    "a store is configured no more: a restore says that it does not come back",
    async (folder) => {
      const run = runner(folder);
      put(folder, { a: "a", b: "b", key: "secret\n" });
      configure(folder, { stores: { a: { file: "a" }, b: { file: "b" } } });
      run(0, "init");
      run(0, "backup");
      configure(folder, { stores: { a: { file: "a" } } });
      const { err } = run(0, "restore", "latest", "--plan");
      assert.match(
        err,
        /app\/b of \S+ is in no component of the configuration: it does not come back/,
      );
    },
  );

  testIn("lastgood.yaml is lost: init leaves the recovery sheet alone", async (folder) => {
    const run = runner(folder);
    fs.mkdirSync(path.join(folder, "app"));
    put(folder, { "app/a.json": "{}", key: "secret\n" });
    configure(folder, { stores: { a: { file: "app/a.json" } } });
    run(0, "init");
    const sheet = textOf(folder, "lastgood-recovery.txt");
    fs.rmSync(path.join(folder, "lastgood.yaml"));
    assert.match(run(10, "init").err, /lastgood-recovery\.txt is there/);
    assert.equal(textOf(folder, "lastgood-recovery.txt"), sheet);
  });

  testIn("names that are no text do not keep a plan from being shown", async (folder) => {
    const run = runner(folder);
    const odd = (name: string): Buffer =>
      Buffer.concat([Buffer.from(path.join(folder, "files/")), Buffer.from(name, "latin1")]);
    fs.mkdirSync(odd("d\xe9"), { recursive: true });
    for (const name of ["d\xe9/a", "caf\xe9"]) fs.writeFileSync(odd(name), "then");
    put(folder, { key: "secret\n" });
    configure(folder, { stores: { files: { folder: "files" } } });
    run(0, "init");
    run(0, "backup");
    fs.writeFileSync(odd("caf\xe9"), "changed");
    const { out } = run(0, "restore", "latest", "--plan");
    assert.match(out, /changed since: caf\uFFFD\n/);
    assert.match(out, /not compared: d\uFFFD\n/);
  });

  testIn("an older point is exported although newer ones are", async (folder) => {
    const run = runner(folder);
    put(folder, { a: "a", key: "secret\n" });
    configure(folder, { stores: { a: { file: "a" } } }, { export: { at: "plain", keep: 1 } });
    run(0, "init");
    run(0, "backup");
    const [first] = fs.readdirSync(path.join(folder, "plain"));
    run(0, "backup");
    run(0, "export", first!);
    assert.equal(textOf(folder, `plain/${first}/config/a`), "a");
  });

  testIn("a copy that is the repository itself is none", async (folder) => {
    const run = runner(folder);
    put(folder, { a: "a", key: "secret\n" });
    const copies = { off: { at: "repo", password: { file: "key" } } };
    configure(folder, { stores: { a: { file: "a" } } }, { copies });
    run(0, "init");
    run(0, "backup");
    assert.match(run(3, "copy", "off").err, /it is the repository itself/);
  });

  testIn("undo --plan shows the one that is named, and no other", async (folder) => {
    const run = runner(folder);
    put(folder, { a: "a", key: "secret\n" });
    configure(folder, { stores: { a: { file: "a" } } });
    run(0, "init");
    run(0, "backup");
    run(0, "restore", "latest", "--yes");
    run(0, "restore", "latest", "--yes");
    const lines = run(0, "undo", "--plan").out.trim().split("\n");
    assert.equal(lines.length, 2);
    const id = lines[1]!.split(" ")[0]!;
    assert.equal(run(0, "undo", id, "--plan").out.trim(), lines[1]);
    assert.match(run(10, "undo", "nonsense", "--plan").err, /nonsense: there is nothing to undo/);
  });
});

suite("what is away or damaged is said", { concurrency: 2 }, () => {
  const withPoint = (folder: string): ReturnType<typeof runner> => {
    const run = runner(folder);
    put(folder, { "files/a": "a", key: "secret\n" });
    fs.symlinkSync("nowhere", path.join(folder, "files/link"));
    configure(folder, { stores: { files: { folder: "files" } } });
    run(0, "init");
    run(0, "backup");
    return run;
  };

  testIn("by status: the repository, the key, points of another repository", async (folder) => {
    const run = withPoint(folder);
    assert.match(run(0, "status").out, /All is well/);
    for (const file of ["repo", "key"]) {
      const away = path.join(folder, `${file}-away`);
      fs.renameSync(path.join(folder, file), away);
      assert.match(run(1, "status").out, /(repository|key) \S+ is not there/);
      fs.renameSync(away, path.join(folder, file));
    }
    run(0, "status");
    const stores = { files: { folder: "files" } };
    configure(folder, { stores }, { repository: { at: "other", password: { file: "key" } } });
    run(0, "init");
    assert.match(run(1, "status").out, /no recovery point was seen/);
  });

  testIn("files of the state: what to do with them", async (folder) => {
    const run = withPoint(folder);
    for (const [file, ...verb] of [
      ["verified.db", "check"],
      ["records.db", "incident", "list"],
      ["journal.db", "history"],
    ] as const) {
      const at = path.join(folder, ".lastgood", file);
      for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(at + suffix, { force: true });
      fs.writeFileSync(at, "no database, but rather long ".repeat(100));
      assert.match(run(13, ...verb).err, /not a database\n +Move it away/);
      fs.rmSync(at);
      run(0, ...verb);
    }
  });

  testIn("a repository that lost its file config is none that is not there", async (folder) => {
    const run = withPoint(folder);
    fs.rmSync(path.join(folder, "repo/config"));
    assert.match(run(13, "points").err, /its file config is missing/);
  });

  testIn("config refuses stores that every other verb refuses", async (folder) => {
    const run = runner(folder);
    put(folder, { "files/a": "a", key: "secret\n" });
    for (const other of ["files", "files/a"]) {
      const b = other === "files" ? { folder: other } : { file: other };
      configure(folder, { stores: { a: { folder: "files" }, b } });
      assert.match(run(3, "config").err, /store app\/a: it (contains|is) store app\/b/);
    }
  });

  testIn("a link in a point is no file that is not there", async (folder) => {
    const run = withPoint(folder);
    const { err } = run(18, "restore", "latest", "--file", "files/link", "--yes");
    assert.match(err, /in the point it is a symlink/);
  });
});
