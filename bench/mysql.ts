import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { install } from "./installed.ts";
import { startMariadb } from "../test/support/mariadb.ts";

// What a backup of a database costs beside its own dump, with nothing else on the machine:
// npm run bench:mysql [megabytes]

const MEGABYTES = Number(process.argv[2] ?? 1024);
const ROUNDS = 5;
const ROW_BYTES = 270;

type Added = { readonly bytesAdded: number; readonly bytesTotal: number };

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const seconds = (work: () => void): number => {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
};

const folder = await mkdtemp("/var/tmp/lg-bench-");
try {
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE shop CHARACTER SET utf8mb4");
  await server.sql("CREATE TABLE t (id INT PRIMARY KEY, a CHAR(32), b VARCHAR(300))", "shop");
  const rows = Math.ceil((MEGABYTES * 1024 * 1024) / ROW_BYTES);
  await server.sql(
    `INSERT INTO t SELECT seq, MD5(seq), CONCAT(SHA2(seq, 512), ' ', REPEAT('some text ', 9)) FROM seq_1_to_${rows}`,
    "shop",
  );
  await writeFile(path.join(folder, "key"), "a password");
  await writeFile(path.join(folder, "db.key"), server.password);
  const store = `{ mysql: { database: shop, socket: ${server.socket}, password: { file: db.key } } }`;
  const yaml = `system: bench\nrepository: { at: repository, password: { file: key } }\ncomponents: { app: { stores: { db: ${store} } } }\n`;
  await writeFile(path.join(folder, "lastgood.yaml"), yaml);
  await using installed = await install();
  const lastgood = (...args: string[]): string =>
    execFileSync(process.execPath, [installed.main, ...args], { cwd: folder, encoding: "utf8" });
  const dump = (): void => {
    const args = [
      "--no-defaults",
      `--socket=${server.socket}`,
      "--user=root",
      "--single-transaction",
      "--quick",
      "--hex-blob",
      "shop",
    ];
    const env = { ...process.env, MYSQL_PWD: server.password };
    const { status } = spawnSync("mariadb-dump", args, {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error("mariadb-dump failed");
  };
  dump();
  const [dumps, firsts, seconds2]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    await rm(path.join(folder, "repository"), { recursive: true, force: true });
    await rm(path.join(folder, ".lastgood"), { recursive: true, force: true });
    lastgood("init");
    dumps.push(seconds(dump));
    firsts.push(seconds(() => void lastgood("backup")));
    seconds2.push(seconds(() => void lastgood("backup")));
  }
  const said = (text: string): Added =>
    (JSON.parse(text.trim().split("\n").at(-1) ?? "") as { value: Added }).value;
  await server.sql(
    `UPDATE t SET b = REVERSE(b) WHERE id BETWEEN 1000 AND ${1000 + Math.trunc(rows / 100)}`,
    "shop",
  );
  const changed = said(lastgood("backup", "--json"));
  const [d, f, s] = [median(dumps), median(firsts), median(seconds2)];
  process.stdout.write(
    [
      `${MEGABYTES} MiB of rows, medians of ${ROUNDS}`,
      `mariadb-dump into /dev/null  ${d.toFixed(1)} s`,
      `first backup                 ${f.toFixed(1)} s  ${(f / d).toFixed(2)}x`,
      `backup, nothing changed      ${s.toFixed(1)} s  ${(s / d).toFixed(2)}x`,
      `1 % of the rows changed: ${((100 * changed.bytesAdded) / changed.bytesTotal).toFixed(2)} % of the dump added`,
      "",
    ].join("\n"),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
