import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { backup } from "../src/operations/backup.ts";
import { restore } from "../src/operations/restore.ts";
import { hasEngine, makeImage, startEngine } from "./support/engine.ts";
import { hasMariadb } from "./support/mariadb.ts";
import { skipWithout } from "./support/servers.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: a server in a container is spoken to by the programs in its container, and nobody on the
// machine can read its password from a list of processes.

const skip = skipWithout(hasMariadb(), "mariadb-server") || skipWithout(hasEngine(), "docker.io");
const run = quietRun();
const PASSWORD = "a secret of the server";

suite("mysql in a container", { skip, timeout: 120_000 }, () => {
  test("comes back, with the application's container stopped", async () => {
    await using temporary = await temporaryFolder();
    await using engine = await startEngine();
    const data = await mkdtemp("/var/tmp/lg-data-");
    try {
      const install = [
        "--no-defaults",
        `--datadir=${data}/db`,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ];
      // Other servers have their temporary files in /tmp.
      const apart = { ...process.env, TMPDIR: data };
      await promisify(execFile)("mariadb-install-db", install, { env: apart });
      await mkdir(`${data}/run`);
      const empty = path.join(temporary.path, "empty");
      await mkdir(empty);
      await makeImage(engine, "mariadb:10", empty, []);
      const volumes = ["/usr:/usr:ro", `${data}/db:/data`, `${data}/run:/run/db`];
      const server = ["/usr/sbin/mariadbd", "--no-defaults", "--user=root", "--datadir=/data"];
      const where = ["--socket=/run/db/sock", "--skip-networking", "--tmpdir=/data"];
      await engine.docker(
        "run",
        "-d",
        "--name=ragflow-mysql",
        "--network=host",
        ...volumes.flatMap((volume) => ["-v", volume]),
        "mariadb:10",
        ...server,
        ...where,
      );
      const sql = async (statement: string, password = PASSWORD): Promise<string> => {
        const client = ["mariadb", "--no-defaults", "--socket=/run/db/sock", "-uroot", "-BN"];
        const env = ["-e", `MYSQL_PWD=${password}`];
        return await engine.docker("exec", ...env, "ragflow-mysql", ...client, "-e", statement);
      };
      for (let tries = 0; ; tries++) {
        try {
          await sql(`ALTER USER root@localhost IDENTIFIED BY '${PASSWORD}'`, "");
          break;
        } catch (error) {
          if (tries > 100) throw error;
          await sleep(200);
        }
      }
      await sql(
        "CREATE DATABASE rag_flow; CREATE TABLE rag_flow.t (a INT); INSERT INTO rag_flow.t VALUES (1), (2)",
      );
      await writeFile(path.join(temporary.path, "db.key"), PASSWORD);
      const mysql = {
        database: "rag_flow",
        container: "ragflow-mysql",
        socket: "/run/db/sock",
        password: { file: "db.key" },
      };
      const extra = { "docker-host": engine.host };
      using system = await newSystem(temporary.path, { stores: { db: { mysql } } }, extra);
      const words = watchArguments();
      const { valid, stamp, warnings } = await backup(system, { reason: "", include: [] }, run);
      assert(valid, warnings.join());
      await sql("DELETE FROM rag_flow.t; CREATE TABLE rag_flow.newer (a INT)");
      const { outcome, error } = await restore(system, stamp, { reason: "", force: false }, run);
      assert.equal(outcome, "committed", error);
      assert.equal(await sql("SELECT count(*) FROM rag_flow.t; SHOW TABLES FROM rag_flow"), "2\nt");
      const seen = await words();
      assert.match(seen, /mariadb-dump/, "the processes were looked at");
      assert(!seen.includes(PASSWORD), "the password stands in nobody's arguments");
      await engine.docker("stop", "-t", "2", "ragflow-mysql");
      const down = await backup(system, { reason: "", include: [] }, run);
      assert.match(down.warnings.join(), /neither can be run there|is not running/);
    } finally {
      await rm(data, { recursive: true, force: true });
    }
  });
});

/** Looks at the arguments of all processes, again and again, until it is asked. */
function watchArguments(): () => Promise<string> {
  const over = new AbortController();
  const watching = (async () => {
    let seen = "";
    while (!over.signal.aborted) {
      const { stdout } = await promisify(execFile)("ps", ["-eo", "args"]);
      // Those of this test itself know the word.
      seen += stdout
        .split("\n")
        .filter((line) => /dump/.test(line))
        .join("\n");
      await sleep(5);
    }
    return seen;
  })();
  return async () => {
    over.abort();
    return await watching;
  };
}
