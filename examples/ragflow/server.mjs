// A stand-in for the RAGFlow server: its health interface, and a database client that stays connected
// for as long as it runs, as a connection pool does.
import { spawn, execFile } from "node:child_process";
import http from "node:http";
import { promisify } from "node:util";

const { SVR_HTTP_PORT, ES_URL, S3_URL, REDIS_PORT, REDIS_PASSWORD, MYSQL_PASSWORD } = process.env;
const run = promisify(execFile);
const client = ["--no-defaults", "--socket=/run/db/sock", "--user=root", "--batch"];
const withPassword = {
  env: { ...process.env, MYSQL_PWD: MYSQL_PASSWORD, REDISCLI_AUTH: REDIS_PASSWORD },
};

const pool = spawn("mariadb", [...client, "rag_flow"], {
  ...withPassword,
  stdio: ["pipe", "ignore", "ignore"],
});
pool.on("error", () => {});
pool.stdin.on("error", () => {});
pool.stdin.write("SELECT 1;\n");

const PARTS = {
  db: () =>
    run("mariadb", [...client, "rag_flow", "-e", "SELECT count(*) FROM document"], withPassword),
  async redis() {
    const { stdout } = await run("redis-cli", ["-p", REDIS_PORT, "PING"], withPassword);
    if (stdout.trim() !== "PONG") throw new Error(stdout.trim());
  },
  doc_engine: () => fetch(ES_URL, { signal: AbortSignal.timeout(2000) }),
  storage: () => fetch(S3_URL, { signal: AbortSignal.timeout(2000) }),
};

const server = http.createServer(async (request, response) => {
  if (request.url !== "/api/v1/system/healthz") return response.writeHead(404).end();
  const answer = { _meta: {} };
  for (const [name, ask] of Object.entries(PARTS)) {
    try {
      await ask();
      answer[name] = "ok";
    } catch (error) {
      answer[name] = "nok";
      answer._meta[name] = { error: error.message };
    }
  }
  const isWell = Object.keys(PARTS).every((name) => answer[name] === "ok");
  answer.status = isWell ? "ok" : "nok";
  const type = { "content-type": "application/json" };
  return response.writeHead(isWell ? 200 : 500, type).end(JSON.stringify(answer));
});
server.listen(Number(SVR_HTTP_PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
