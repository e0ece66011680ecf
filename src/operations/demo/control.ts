// Starts, stops and asks about the demo's application: `control.ts <folder> start|stop|alive`.
import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [folder = "", verb] = process.argv.slice(2);
const pidFile = path.join(folder, "app.pid");

function pid(): number | undefined {
  const found = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : undefined;
  try {
    if (found !== undefined) process.kill(found, 0);
    return found;
  } catch {
    // It is not there any more.
    return undefined;
  }
}

switch (verb) {
  case "start": {
    const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const app = path.join(import.meta.dirname, `app.${suffix}`);
    const log = openSync(path.join(folder, "app.log"), "a");
    const child = spawn(process.execPath, [app, folder], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    writeFileSync(pidFile, String(child.pid));
    child.unref();
    break;
  }
  case "stop": {
    const running = pid();
    if (running !== undefined) process.kill(running, "SIGTERM");
    break;
  }
  default:
    process.exitCode = pid() === undefined ? 1 : 0;
}
