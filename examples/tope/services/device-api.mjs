#!/usr/bin/env node
// A stand-in for TOP.E's device-api. It answers on a port, says its version, and takes the
// updater's reports. What is wrong with a release stands in its file `behaviour`.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const DIES_AFTER_MS = 3000;
const QUICK_MS = 5;
const SLOW_MS = 300;

const release = path.resolve(import.meta.dirname, "..");
const read = (name) => {
  const file = path.join(release, name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
};
const version = read("VERSION");
const behaviour = read("behaviour") || "good";
const port = Number(process.env.DEVICE_API_PORT ?? 9080);
const reports = process.env.DEVICE_API_REPORTS;

if (behaviour === "exit") {
  console.error("ERROR cannot open /dev/robot");
  process.exit(1);
}
if (behaviour === "die") {
  setTimeout(() => process.exit(1), DIES_AFTER_MS);
}

// As applications do: what the release brings is applied when it starts, and what an older release
// does not know, and cannot live with, ends it.
const database = process.env.DEVICE_API_DATABASE;
if (database !== undefined && existsSync(path.join(release, "migrations.json"))) {
  const { DatabaseSync } = await import("node:sqlite");
  const known = JSON.parse(read("migrations.json"));
  const db = new DatabaseSync(database);
  db.exec(
    "CREATE TABLE IF NOT EXISTS _prisma_migrations (migration_name TEXT, finished_at TEXT, rolled_back_at TEXT)",
  );
  const rows = db.prepare("SELECT migration_name AS name FROM _prisma_migrations").all();
  const applied = rows.map(({ name }) => name);
  const broken = applied.find((name) => !(name in known) && name.includes("breaking"));
  if (broken !== undefined) {
    console.error(`ERROR cannot read what ${broken} left`);
    process.exit(1);
  }
  for (const [name, sql] of Object.entries(known)) {
    if (applied.includes(name)) continue;
    db.exec(sql);
    db.prepare("INSERT INTO _prisma_migrations VALUES (?, datetime(), NULL)").run(name);
  }
  db.close();
}

const answer = (response, status, value) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
};

const server = createServer((request, response) => {
  if (behaviour === "hang") return;
  const url = request.url ?? "/";
  if (url === "/metrics") {
    return answer(response, 200, { answer_ms: behaviour === "slow" ? SLOW_MS : QUICK_MS });
  }
  if (url === "/health") return answer(response, behaviour === "500" ? 500 : 200, { ok: true });
  if (url === "/api/version") return answer(response, 200, { version });
  if (request.method === "POST" && url === "/api/v1.0/ota/report") {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      if (reports !== undefined) appendFileSync(reports, `${body}\n`);
      answer(response, 200, { code: 200, msg: "success", data: { status: "received" } });
    });
    return;
  }
  answer(response, 404, { code: 404, msg: "not found" });
});

server.listen(port, "127.0.0.1", () => console.log(`device-api ${version} listens on ${port}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
