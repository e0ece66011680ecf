import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { type Engine, makeImage, RUNTIME, startEngine } from "../../test/support/engine.ts";
import { freePort } from "../../test/support/releases.ts";
import { PASSWORD } from "../../test/support/restic.ts";
import { KEYS, type S3, startS3 } from "../../test/support/s3.ts";
import { bulk, createIndex } from "../../test/support/search/indices.ts";
import { type SearchServer, startSearch } from "../../test/support/search/server.ts";

const HERE = import.meta.dirname;
const ROOT = path.resolve(HERE, "../..");
const TENANT = "7d19a176807611efb0f80242ac120006";
const PASSWORDS = { mysql: "infini_rag_flow", redis: "infini rag", elastic: "infini" };

/** A machine with RAGFlow on it, below a folder of its own: real servers, but for Elasticsearch. */
export type World = AsyncDisposable & {
  readonly root: string;
  readonly engine: Engine;
  readonly s3: S3;
  readonly search: SearchServer;
  readonly index: string;
  lastgood(...args: string[]): Promise<{ code: number; out: string }>;
  sql(statements: string): Promise<string>;
  redis(...args: string[]): Promise<string>;
  /** Uploads and parses a document, as the application does. */
  document(kb: string, name: string, content: string, chunks: number): Promise<void>;
  healthz(): Promise<{ status: number; body: Record<string, unknown> }>;
};

const SCHEMA = `CREATE DATABASE rag_flow CHARACTER SET utf8mb4; USE rag_flow;
CREATE TABLE knowledgebase (id CHAR(32) PRIMARY KEY, tenant_id CHAR(32), doc_num INT, chunk_num INT);
CREATE TABLE document (id CHAR(32) PRIMARY KEY, kb_id CHAR(32), location VARCHAR(255), size INT, chunk_num INT, type VARCHAR(32));`;

export async function newWorld(): Promise<World> {
  const root = await mkdtemp("/var/tmp/lg-ragflow-");
  const [engine, s3, search] = await Promise.all([
    startEngine(),
    startS3(),
    startSearch({ password: PASSWORDS.elastic }),
  ]);
  const ports = { http: await freePort(), redis: await freePort() };
  await prepare(root, { engine, s3, search, ports });
  const sql = async (statements: string, password = PASSWORDS.mysql): Promise<string> => {
    const client = ["mariadb", "--no-defaults", "--socket=/run/db/sock", "-uroot", "-BN"];
    const env = ["-e", `MYSQL_PWD=${password}`];
    return await engine.docker("exec", ...env, "ragflow-mysql", ...client, "-e", statements);
  };
  const compose = async (...args: string[]): Promise<void> => {
    const env = { ...process.env, DOCKER_HOST: engine.host };
    await promisify(execFile)("docker-compose", args, { env, cwd: root });
  };
  await compose("up", "-d", "mysql", "redis");
  for (let tries = 0; ; tries++) {
    try {
      await sql(`ALTER USER root@localhost IDENTIFIED BY '${PASSWORDS.mysql}'`, "");
      break;
    } catch (error) {
      if (tries > 100) throw error;
      await sleep(200);
    }
  }
  await sql(SCHEMA);
  const index = `ragflow_${TENANT}`;
  createIndex(search.state, index, {
    settings: { index: { number_of_shards: 2, number_of_replicas: 0, refresh_interval: "1000ms" } },
    mappings: { properties: { kb_id: { type: "keyword" } } },
  });
  await compose("up", "-d", "ragflow");
  return {
    root,
    engine,
    s3,
    search,
    index,
    sql,
    lastgood: (...args) => lastgoodIn(root, args),
    async redis(...args) {
      const at = ["redis-cli", "-p", String(ports.redis)];
      return await engine.docker(
        "exec",
        "-e",
        `REDISCLI_AUTH=${PASSWORDS.redis}`,
        "ragflow-redis",
        ...at,
        ...args,
      );
    },
    async document(kb, name, content, chunks) {
      const id = `${kb.slice(0, 16)}${Buffer.from(name).toString("hex").slice(0, 16)}`;
      await s3.client.send(new CreateBucketCommand({ Bucket: kb })).catch(() => {});
      await s3.client.send(new PutObjectCommand({ Bucket: kb, Key: name, Body: content }));
      for (let at = 0; at < chunks; at++) {
        const source = {
          kb_id: kb,
          doc_id: id,
          content_with_weight: content,
          q_768_vec: [at, 0.5],
        };
        const head = JSON.stringify({ index: { _id: `${id}-${at}` } });
        bulk(search.state, index, `${head}\n${JSON.stringify(source)}\n`);
      }
      await sql(`USE rag_flow; INSERT IGNORE INTO knowledgebase VALUES ('${kb}', '${TENANT}', 0, 0);
        INSERT INTO document VALUES ('${id}', '${kb}', '${name}', ${Buffer.byteLength(content)}, ${chunks}, 'doc');
        UPDATE knowledgebase SET doc_num = doc_num + 1, chunk_num = chunk_num + ${chunks} WHERE id = '${kb}'`);
    },
    async healthz() {
      const response = await fetch(`http://127.0.0.1:${ports.http}/api/v1/system/healthz`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    async [Symbol.asyncDispose]() {
      await using _search = search;
      await using _s3 = s3;
      await engine[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

type Servers = Pick<World, "engine" | "s3" | "search"> & {
  readonly ports: { readonly http: number; readonly redis: number };
};

/** What stands on such a machine before anything runs. */
async function prepare(root: string, { engine, s3, search, ports }: Servers): Promise<void> {
  for (const folder of ["data/run", "data/redis"])
    await mkdir(path.join(root, folder), { recursive: true });
  const install = [
    "--no-defaults",
    `--datadir=${root}/data/mysql`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ];
  // Other servers of this machine have their temporary files in /tmp.
  const apart = { ...process.env, TMPDIR: path.join(root, "data") };
  await promisify(execFile)("mariadb-install-db", install, { env: apart });
  const app = path.join(root, "app");
  await mkdir(app);
  await makeImage(engine, "local/base:1", app, []);
  await cp(path.join(HERE, "server.mjs"), path.join(app, "server.mjs"));
  await makeImage(engine, "local/ragflow:1", app, []);
  await cp(path.join(HERE, "docker-compose.yml"), path.join(root, "docker-compose.yml"));
  const env = {
    SVR_HTTP_PORT: ports.http,
    REDIS_PORT: ports.redis,
    REDIS_PASSWORD: PASSWORDS.redis,
    MYSQL_PASSWORD: PASSWORDS.mysql,
    ES_URL: search.endpoint,
    S3_URL: s3.endpoint,
    DATA: `${root}/data`,
    RUNTIME,
  };
  const lines = Object.entries(env).map(([key, value]) => `${key}=${value}\n`);
  await writeFile(path.join(root, ".env"), lines.join(""), { mode: 0o600 });
  const secrets = {
    "repository.key": PASSWORD,
    "minio.user": KEYS.accessKey,
    "minio.key": KEYS.secretKey,
    "mysql.key": PASSWORDS.mysql,
    "elastic.key": PASSWORDS.elastic,
    "redis.key": PASSWORDS.redis,
  };
  for (const [name, text] of Object.entries(secrets)) {
    await writeFile(path.join(root, name), text, { mode: 0o600 });
  }
  const yaml = (await readFile(path.join(HERE, "lastgood.yaml"), "utf8"))
    .replaceAll("/opt/ragflow/docker/", `${root}/`)
    .replaceAll("/etc/lastgood/", `${root}/`)
    .replace("/var/lib/docker/volumes/docker_redis_data/_data", `${root}/data/redis`)
    .replace("/var/lib/lastgood", `${root}/state`)
    .replace("/srv/backups/ragflow", `${root}/repository`)
    .replace("http://127.0.0.1:9000", s3.endpoint)
    .replace("http://127.0.0.1:1200", search.endpoint)
    .replace("127.0.0.1:9380", `127.0.0.1:${ports.http}`)
    .replace("port: 6379", `port: ${ports.redis}`);
  await writeFile(path.join(root, "lastgood.yaml"), `docker-host: ${engine.host}\n${yaml}`);
}

async function lastgoodIn(root: string, args: string[]): Promise<{ code: number; out: string }> {
  const command = [path.join(ROOT, "src/main.ts"), "-c", path.join(root, "lastgood.yaml"), ...args];
  const options = { cwd: root, maxBuffer: 16 * 1024 * 1024 };
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, command, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1);
      resolve({ code, out: `${stdout}${stderr}` });
    });
    child.stdin?.end();
  });
}
