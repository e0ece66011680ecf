#!/usr/bin/env node
// A stand-in for TOP.E's web server: it shows what device-api says, and ends when that is not there.
import { createServer } from "node:http";

const api = `http://127.0.0.1:${process.env.DEVICE_API_PORT ?? 9080}`;
const port = Number(process.env.WEB_SERVER_PORT ?? 8080);

const server = createServer(async (_request, response) => {
  try {
    const answer = await fetch(`${api}/api/version`);
    response.end(`TOP.E ${(await answer.json()).version}\n`);
  } catch {
    response.writeHead(502).end("device-api does not answer\n");
  }
});

server.listen(port, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
