import assert from "node:assert/strict";
import * as fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { hasCode } from "../src/base/errors.ts";
import { drill } from "../src/operations/drill/drill.ts";
import { restore } from "../src/operations/restore.ts";
import { validate } from "../src/operations/validate.ts";
import { put, testIn, textOf } from "./support/files.ts";
import { reopenSystem, systemWithPoint } from "./support/system.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: a store that was given another path has its older points still.

const run = quietRun();

suite("a store whose path was changed", { concurrency: 4 }, () => {
  testIn(
    "its older points are valid, drilled, and restored where somebody insists",
    async (folder) => {
      put(folder, { "up/a": "old", "settings.json": "{}" });
      {
        using database = new DatabaseSync(path.join(folder, "app.db"));
        database.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
      }
      const stores = {
        up: { folder: "up" },
        settings: { file: "settings.json", format: "json" },
        db: { sqlite: "app.db" },
      };
      (await systemWithPoint(folder, { stores }))[Symbol.dispose]();
      const RENAMED = { up: "up2", "settings.json": "other.json", "app.db": "main.db" };
      const config = path.join(folder, "lastgood.yaml");
      for (const [from, to] of Object.entries(RENAMED)) {
        fs.renameSync(path.join(folder, from), path.join(folder, to));
        fs.writeFileSync(config, fs.readFileSync(config, "utf8").replace(`: ${from}`, `: ${to}`));
      }
      put(folder, { "up2/a": "new", "other.json": "[]" });
      using system = await reopenSystem(folder);
      assert.deepEqual((await validate(system, "latest", run)).errors, []);
      assert.equal((await drill(system, { named: "latest", reason: "" }, run)).problem, undefined);
      const part = { reason: "", force: false, file: path.join(folder, "up2/a") };
      assert.equal((await restore(system, "latest", part, run)).outcome, "committed");
      assert.equal(textOf(folder, "up2/a"), "old");
      put(folder, { "up2/a": "new" });
      const plain = restore(system, "latest", { reason: "", force: false }, run);
      await assert.rejects(plain, (error) => hasCode(error, "REFUSED"));
      const { outcome } = await restore(system, "latest", { reason: "", force: true }, run);
      assert.equal(outcome, "committed");
      assert.equal(textOf(folder, "up2/a"), "old");
      assert.equal(textOf(folder, "other.json"), "{}");
      assert(!fs.existsSync(path.join(folder, "up")));
    },
  );
});
