// Starts, stops and asks about the stand-in and its Chroma server: `control.ts start|stop|alive`.
// CHROMA names the server's program; .env has the ports.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const folder = import.meta.dirname;
const logs = path.join(folder, "storage", "logs");
process.loadEnvFile(path.join(folder, ".env"));
const env = process.env;

function pidOf(name: string): number | undefined {
  const file = path.join(logs, `${name}.pid`);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
}

/** A process that has ended but whom nobody has asked about yet does not live. */
function isAlive(name: string): boolean {
  const pid = pidOf(name);
  const status = `/proc/${pid}/stat`;
  return existsSync(status) && !/\) Z /.test(readFileSync(status, "utf8"));
}

function launch(name: string, program: string, args: string[]): void {
  mkdirSync(logs, { recursive: true });
  const log = openSync(path.join(logs, `${name}.log`), "a");
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: folder,
    env,
  });
  writeFileSync(path.join(logs, `${name}.pid`), String(child.pid));
  child.unref();
}

async function answers(url: string): Promise<boolean> {
  for (let tries = 0; tries < 150; tries++) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return true;
    await sleep(100);
  }
  return false;
}

async function start(): Promise<void> {
  const chromaPort = env["CHROMA_PORT"]!;
  const data = path.join(folder, "storage", "data", "chroma");
  mkdirSync(data, { recursive: true });
  const chroma = env["CHROMA"] ?? "chroma";
  launch("chroma", chroma, ["run", "--path", data, "--port", chromaPort, "--host", "127.0.0.1"]);
  const up = await answers(`http://127.0.0.1:${chromaPort}/api/v2/heartbeat`);
  if (!up) throw new Error("chroma does not answer: see storage/logs/chroma.log");
  launch("atocore", process.execPath, [path.join(folder, "app.ts")]);
  if (!(await answers(`http://127.0.0.1:${env["ATOCORE_PORT"]}/health`))) {
    throw new Error("atocore does not answer: see storage/logs/atocore.log");
  }
}

/** Some versions of Chroma never end on SIGTERM, so there is a last resort. */
async function stop(name: string): Promise<void> {
  for (let tries = 0; isAlive(name); tries++) {
    process.kill(pidOf(name)!, tries < 30 ? "SIGTERM" : "SIGKILL");
    await sleep(100);
  }
}

switch (process.argv[2]) {
  case "start":
    await start();
    break;
  case "stop":
    await stop("atocore");
    await stop("chroma");
    break;
  default:
    process.exitCode = isAlive("atocore") && isAlive("chroma") ? 0 : 1;
}
