import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { backup } from "../src/operations/backup.ts";
import { doctor } from "../src/operations/doctor.ts";
import { health } from "../src/operations/health.ts";
import { pin } from "../src/operations/points/pin.ts";
import { runbook } from "../src/operations/releases/runbook.ts";
import { restic, resticVersion } from "./support/restic.ts";
import { install, links, onDevice } from "./support/device.ts";
import { skipWithout } from "./support/servers.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: what the runbook prints does by hand what lastgood does; the commands of releases in folders
// are run in examples/tope.

const run = quietRun();

suite("runbook", () => {
  test(
    "names the newest valid point, not what came after it",
    { skip: skipWithout(resticVersion(), "restic") },
    async () => {
      await using temporary = await temporaryFolder();
      const files = path.join(temporary.path, "files");
      await mkdir(files);
      await writeFile(path.join(files, "a"), "a");
      using system = await newSystem(temporary.path, { stores: { files: { folder: "files" } } });
      const { stamp } = await backup(system, { include: [], reason: "" }, run);
      await pin(system, stamp, "pinned", "", run);
      const line = (await runbook(system, run)).find((one) => / restore /.test(one)) ?? "";
      const [, snapshot = ""] = / restore (\S+)/.exec(line) ?? [];
      const out = path.join(temporary.path, "out");
      await restic(system.config.repository.at, "restore", snapshot, "--target", out);
      assert.deepEqual(await readdir(path.join(out, "stores/app/files/files")), ["a"]);
    },
  );

  onDevice(
    "of a process: what is printed stops it, switches and starts it",
    async (system, folder) => {
      await install(system, folder, "1.0.0");
      await install(system, folder, "1.1.0");
      const { runner } = system.components[0]!;
      const before = await runner!.identity!(run);
      const lines = await runbook(system, run);
      const [, back = ""] = lines.join("\n").split(/^### Back to previous.*$/m);
      execFileSync("sh", ["-ec", back.split(/^##/m)[0]!], { stdio: "pipe" });
      assert.equal(links(folder)[0], "v1.0.0");
      assert(await runner!.isAlive(run));
      assert.notEqual(await runner!.identity!(run), before);
    },
  );

  onDevice(
    "where data do not fit it says so, and where those lie that do",
    async (system, folder) => {
      const file = path.join(folder, "app.db");
      new DatabaseSync(file).close();
      const tell = (sql: object): Record<string, string> => ({
        "migrations.json": JSON.stringify(sql),
      });
      await install(system, folder, "1.0.0", "good", {}, tell({}));
      await install(
        system,
        folder,
        "1.1.0",
        "good",
        {},
        tell({ "2_breaking": "CREATE TABLE t (a)" }),
      );
      const text = (await runbook(system, run)).join("\n");
      const [, back = "", aside = ""] = text.split(/^### Back to previous.*$|^## Data from .*$/m);
      assert.match(back, /^# app\/main: unknown: nobody says what 2_breaking does/m);
      const [copy = ""] = aside.split("\n").filter((line) => line.startsWith("/"));
      const [script = ""] = back.split(/^##/m);
      // The first half stops it; then the data go back by hand.
      const [stopping, starting] = script.split(/(?=^cd \S*versions$)/m);
      const move = `mkdir ${folder}/away; mv ${file}* ${folder}/away/; cp ${copy}/* ${folder}/`;
      execFileSync("sh", ["-ec", `${stopping}\n${move}\n${starting}`], { stdio: "pipe" });
      assert.equal(links(folder)[0], "v1.0.0");
      const isWell = async (): Promise<boolean> => (await health(system, undefined, run)).ok;
      for (let tries = 0; tries < 50 && !(await isWell()); tries++) await sleep(100);
      assert(await isWell());
      const previous = (await doctor(system, run)).filter(({ problem }) =>
        /previous/.test(problem),
      );
      assert.deepEqual(previous, []);
    },
    { component: { stores: { main: { sqlite: "app.db", schema: { prisma: true } } } } },
  );

  test("of images, by compose: the key of the env file, and the service", async () => {
    const lines = await ofImages(
      { "env-file": ".env", key: "WEB_VERSION" },
      { compose: { file: "compose.yaml", service: "web", project: "shop" } },
    );
    assert.match(lines, /^docker compose -f \S+\/compose\.yaml -p shop stop web$/m);
    assert.match(lines, /^sed -i 's\|\^WEB_VERSION=\.\*\|WEB_VERSION=1\.0\.0\|' \S+\/\.env$/m);
    assert.match(lines, /^docker compose -f \S+\/compose\.yaml -p shop up -d --no-deps web$/m);
  });

  test("of images, in a container of its own: it is made anew", async () => {
    const options = ["--restart=unless-stopped", "-p", "3000:3000"];
    const lines = await ofImages({}, { container: { name: "web", options } });
    assert.match(
      lines,
      /^docker stop web\n(.*\n)*docker rename web web-before\ndocker create --name web --restart=unless-stopped -p 3000:3000 cr\.example\/web:1\.0\.0\n(.*\n)*docker start web$/m,
    );
  });
});

/** The runbook of a component whose release 2.0.0 is live and 1.0.0 was before. */
async function ofImages(target: object, running: object): Promise<string> {
  await using temporary = await temporaryFolder();
  await writeFile(path.join(temporary.path, ".env"), "WEB_VERSION=2.0.0\n");
  await writeFile(path.join(temporary.path, "compose.yaml"), "services: { web: {} }\n");
  using system = await newSystem(temporary.path, {
    target: { image: "cr.example/web", ...target },
    run: running,
  });
  const { root } = system.components[0]!.target!;
  for (const [link, version] of [
    ["current", "2.0.0"],
    ["previous", "1.0.0"],
  ] as const) {
    const folder = path.join(root, `v${version}`);
    await mkdir(folder, { recursive: true });
    const descriptor = {
      reference: `cr.example/web:${version}`,
      id: `sha256:${"a".repeat(64)}`,
      created: "2026-01-01T00:00:00Z",
    };
    await writeFile(path.join(folder, "image.json"), JSON.stringify(descriptor));
    await symlink(`v${version}`, path.join(root, link));
  }
  return (await runbook(system, run)).join("\n");
}
