import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

const BIN = "/usr/lib/postgresql/15/bin";

export function hasPostgres(): boolean {
  return existsSync(`${BIN}/postgres`);
}

/** A real PostgreSQL of our own, at a socket in a folder. Its superuser has a password. */
export type Postgres = AsyncDisposable & {
  /** The folder of the socket. */
  readonly socket: string;
  readonly password: string;
  /** Runs statements and gives what psql prints, without names. */
  sql(statements: string, database?: string): Promise<string>;
};

export async function startPostgres(): Promise<Postgres> {
  const folder = await mkdtemp("/var/tmp/lg-postgres-");
  const password = 'it\'s "secret"';
  const [uid, gid] = ["-u", "-g"].map((what) => Number(execFileSync("id", [what, "postgres"])));
  await chown(folder, uid!, gid!);
  await writeFile(`${folder}/password`, password);
  await chown(`${folder}/password`, uid!, gid!);
  const as = async (...command: string[]): Promise<void> => {
    const who = ["--reuid=postgres", "--regid=postgres", "--init-groups"];
    await promisify(execFile)("setpriv", [...who, ...command]);
  };
  const data = `${folder}/data`;
  const auth = ["--auth=scram-sha-256", `--pwfile=${folder}/password`];
  await as(`${BIN}/initdb`, "-D", data, "--encoding=UTF8", "--locale=C.UTF-8", ...auth);
  const options = `-c listen_addresses= -k ${folder} -c fsync=off`;
  await as(`${BIN}/pg_ctl`, "-D", data, "-w", "-l", `${folder}/log`, "-o", options, "start");
  const sql = async (statements: string, database = "postgres"): Promise<string> => {
    const where = [`--host=${folder}`, "--username=postgres", `--dbname=${database}`];
    const args = ["--no-psqlrc", "--quiet", "-At", "-v", "ON_ERROR_STOP=1", ...where];
    const child = execFile("psql", args, { env: { ...process.env, PGPASSWORD: password } });
    let [out, words] = ["", ""];
    child.stdout!.on("data", (text: string) => (out += text));
    child.stderr!.on("data", (text: string) => (words += text));
    // A client that cannot connect ends without reading them; its exit code says so.
    child.stdin!.on("error", () => {}).end(statements);
    const [code] = (await once(child, "close")) as [number];
    if (code !== 0) throw new Error(words);
    return out.trimEnd();
  };
  return {
    socket: folder,
    password,
    sql,
    async [Symbol.asyncDispose]() {
      await as(`${BIN}/pg_ctl`, "-D", data, "-m", "immediate", "stop").catch(() => {});
      await rm(folder, { recursive: true, force: true });
    },
  };
}
