#!/usr/bin/env node
// A stand-in for TOP.E's device-api. It answers on a port, says its version, and takes the
// updater's reports. What is wrong with a release stands in its file `behaviour`.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const DIES_AFTER_MS = 3000;

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

const answer = (response, status, value) => {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
};

const server = createServer((request, response) => {
  if (behaviour === "hang") return;
  const url = request.url ?? "/";
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
