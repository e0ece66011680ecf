import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { System } from "../../src/operations/system.ts";
import { newSystem } from "./system.ts";

const SERVER = "/usr/sbin/mariadbd";
const START_MS_MAX = 30_000;

export function hasMariadb(): boolean {
  return existsSync(SERVER);
}

/** A real MariaDB of our own, at a socket. Its root has a password. */
export type Mariadb = AsyncDisposable & {
  readonly socket: string;
  readonly password: string;
  /** Runs statements and gives what the client prints, without names. */
  sql(statements: string, database?: string): Promise<string>;
  restart(): Promise<void>;
  kill(): Promise<void>;
};

export async function startMariadb(more: readonly string[] = []): Promise<Mariadb> {
  const folder = await mkdtemp("/var/tmp/lg-mariadb-");
  const [data, socket, password] = [`${folder}/data`, `${folder}/sock`, 'it\'s "secret"'];
  await mkdir(data);
  const { stdout } = await promisify(execFile)("id", ["-u", "mysql"]);
  await chown(folder, Number(stdout), Number(stdout));
  // A server that starts removes what it takes for temporary files of its own: others have theirs in /tmp.
  const env = { ...process.env, TMPDIR: folder };
  const install = [
    "--no-defaults",
    `--datadir=${data}`,
    "--user=mysql",
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ];
  await promisify(execFile)("mariadb-install-db", install, { env });
  let server: ChildProcess | undefined;
  let pwd = "";
  const sql = async (statements: string, database?: string): Promise<string> => {
    const args = [
      "--no-defaults",
      "--default-character-set=utf8mb4",
      `--socket=${socket}`,
      "--user=root",
      "--batch",
      "--skip-column-names",
    ];
    const all = [...args, ...(database === undefined ? [] : [database])];
    const child = execFile("mariadb", all, {
      env: { ...process.env, MYSQL_PWD: pwd },
      maxBuffer: 64 * 1024 * 1024,
    });
    let [out, words] = ["", ""];
    child.stdout!.on("data", (text: string) => (out += text));
    child.stderr!.on("data", (text: string) => (words += text));
    // A client that cannot connect ends without reading them; its exit code says so.
    child.stdin!.on("error", () => {}).end(statements);
    const [code] = (await once(child, "close")) as [number];
    if (code !== 0) throw new Error(words);
    return out.trimEnd();
  };
  const start = async (): Promise<void> => {
    const options = ["--no-defaults", `--datadir=${data}`, `--socket=${socket}`, "--user=mysql"];
    const quick = [
      "--skip-networking",
      "--innodb-flush-log-at-trx-commit=2",
      "--event-scheduler=ON",
    ];
    server = spawn(SERVER, [...options, ...quick, ...more], { stdio: "ignore", env });
    const deadline = performance.now() + START_MS_MAX;
    for (;;) {
      try {
        await sql("SELECT 1");
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(100);
      }
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, "exit");
    server.kill(signal);
    await gone;
  };
  await start();
  await sql(`ALTER USER root@localhost IDENTIFIED BY '${password.replaceAll("'", "''")}'`);
  pwd = password;
  return {
    socket,
    password,
    sql,
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A system whose only store is a database of the server, with more for the component. */
export async function systemOf(
  server: Mariadb,
  folder: string,
  database: string,
  more: object = {},
): Promise<System> {
  await writeFile(path.join(folder, "db.key"), server.password);
  const mysql = { database, socket: server.socket, password: { file: "db.key" } };
  return await newSystem(folder, { stores: { db: { mysql, ...more } } });
}
