import assert from "node:assert/strict";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite } from "node:test";
import { previewDeploy } from "../src/operations/releases/deploy.ts";
import { resumeDeploys } from "../src/operations/releases/hold.ts";
import { status } from "../src/operations/status.ts";
import { undo } from "../src/operations/undo.ts";
import { install, onDevice } from "./support/device.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: what a release that failed leaves behind is said, where people look.

const run = quietRun();
const STORES = {
  hold: true,
  component: { stores: { main: { sqlite: "app.db" } } },
  before: (folder: string) => {
    using database = new DatabaseSync(path.join(folder, "app.db"));
    database.exec("CREATE TABLE t (a)");
  },
};
const PLAIN = { source: undefined, image: undefined, reason: "", force: false };

suite("status of releases", () => {
  onDevice(
    "one that failed: deploys are held, and the data from before are named",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const failed = await install(system, folder, "1.1.0", "500");
      assert.equal(failed.outcome, "rolled-back");
      assert.equal(failed.isDataAside, true);
      assert.equal(failed.code, "UNHEALTHY");
      const { problems } = await status(system, run);
      assert.match(
        problems.join("\n"),
        /^app: deploys are held: 1\.1\.0 failed .* lastgood resume app$/m,
      );
      assert.equal(
        (await undo(system, failed.operation, { reason: "" }, run)).outcome,
        "committed",
      );
      await resumeDeploys(system, "app");
      assert.doesNotMatch((await status(system, run)).problems.join("\n"), /held/);
    },
    STORES,
  );

  onDevice(
    "what a deploy will free",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      const second = await install(system, folder, "1.1.0");
      assert.equal(second.outcome, "committed");
      const undoable = (await status(system, run)).undoable.find(
        ({ operation }) => operation === second.operation,
      );
      assert.equal(undoable?.orDeploy, true);
      await install(system, folder, "1.2.0");
      const { steps } = await previewDeploy(system, "app", "1.1.0", { ...PLAIN, force: true }, run);
      assert.match(steps.join("\n"), /^discarded app\/\S+ before-/m);
    },
    STORES,
  );
});
