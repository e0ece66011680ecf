import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { folderBackend } from "../../src/backends/folder.ts";
import { createRepository } from "../../src/repository/repository.ts";
import { CHEAP } from "../../test/support/repository.ts";
import { skipWithout } from "../../test/support/servers.ts";
import { quietRun, temporaryFolder } from "../../test/support/temporary.ts";
import { openCollection } from "./chroma-client.ts";

// Goal: the story of the README, with a real Chroma server, under ingestion without pause.

const root = path.resolve(import.meta.dirname, "../..");
const bin = path.join(root, "bin/lastgood.js");
const chroma = path.join(root, ".servers/node_modules/.bin/chroma");
const skip = skipWithout(existsSync(chroma), "chroma (in .servers, by .ci/run)");

type Json = Record<string, unknown>;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

class AtoCore {
  readonly folder: string;
  readonly url: string;
  readonly chromaPort: number;
  readonly adminPort: number;
  ingested = 0;
  #ingesting = false;
  #loop: Promise<void> = Promise.resolve();

  private constructor(folder: string, port: number, chromaPort: number, adminPort: number) {
    this.folder = folder;
    this.adminPort = adminPort;
    this.url = `http://127.0.0.1:${port}`;
    this.chromaPort = chromaPort;
  }

  static async setUp(folder: string): Promise<AtoCore> {
    cpSync(import.meta.dirname, folder, { recursive: true });
    const [port, chromaPort] = [await freePort(), await freePort()];
    const config = path.join(folder, "lastgood.yaml");
    const [adminPort, ownPort] = [await freePort(), await freePort()];
    const text = readFileSync(config, "utf8")
      .replaceAll("8100", String(port))
      .replaceAll("8109", String(adminPort));
    writeFileSync(config, `${text}serve: { listen: "127.0.0.1:${ownPort}" }\n`);
    const env = `ATOCORE_PORT=${port}\nCHROMA_PORT=${chromaPort}\nCHROMA=${chroma}\n`;
    writeFileSync(path.join(folder, ".env"), env);
    writeFileSync(path.join(folder, "repository.key"), "secret");
    const repository = folderBackend(path.join(folder, "backups", "repository"));
    await createRepository(repository, "secret", { cost: CHEAP }, quietRun());
    return new AtoCore(folder, port, chromaPort, adminPort);
  }

  control(verb: string): void {
    const { status, stderr } = spawnSync(process.execPath, ["control.ts", verb], {
      cwd: this.folder,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  }

  /** In a process of its own, while this one goes on ingesting. */
  async lastgood(...args: string[]): Promise<{ code: number | null; value: Json }> {
    const child = spawn(process.execPath, [bin, ...args, "--json"], {
      cwd: this.folder,
      env: { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}` },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output, [code]] = await Promise.all([
      Array.fromAsync(child.stdout),
      once(child, "close") as Promise<[number | null]>,
    ]);
    const last = JSON.parse(output.join("").trimEnd().split("\n").at(-1)) as Json;
    return { code, value: (last["value"] ?? last) as Json };
  }

  async ask(method: string, route: string, body?: Json): Promise<Json> {
    const response = await fetch(this.url + route, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    return (await response.json()) as Json;
  }

  async ingest(documents: string[]): Promise<void> {
    await this.ask("POST", "/ingest", { project: "p05", documents });
    this.ingested += documents.length;
  }

  startIngesting(): void {
    this.#ingesting = true;
    const loop = async (): Promise<void> => {
      for (let i = 0; this.#ingesting && i < 2000; i++) {
        await this.ingest([`p05 interferometer note ${i}`, `p05 mirror cell note ${i}`]);
      }
    };
    this.#loop = loop();
  }

  async stopIngesting(): Promise<void> {
    this.#ingesting = false;
    await this.#loop;
  }

  rows(table: string): number {
    const file = path.join(this.folder, "storage/data/db/atocore.db");
    using database = new DatabaseSync(file, { readOnly: true });
    return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!["n"]);
  }
}

/** Lines of the procedure as they stand there, and what has to come of each. */
const CHEAT_SHEET: readonly (readonly [line: string, expected: RegExp])[] = [
  [
    `curl -fsS -X POST http://dalidou:8100/admin/backup \\
  -H "Content-Type: application/json" -d '{}'`,
    /"backup_root":".*\/snapshots\/\d{8}T\d{6}Z".*"validated":true.*"include_chroma":false/,
  ],
  [
    `curl -fsS -X POST http://dalidou:8100/admin/backup \\
  -H "Content-Type: application/json" -d '{"include_chroma": true}'`,
    /"db_snapshot_path":".*\/db\/atocore\.db".*"include_chroma":true/,
  ],
  [
    `curl -fsS -X POST http://dalidou:8100/admin/backup \\
  -H "Content-Type: application/json" \\
  -d '{"include_chroma": false}'`,
    /"validation_errors":\[\]/,
  ],
  ["curl -fsS http://dalidou:8100/admin/backup", /^\{"backup_dir":".*\/backups","backups":\[\{/],
  [
    "curl -fsS http://dalidou:8100/admin/backup | jq '.backups[].stamp'",
    /^("\d{8}T\d{6}Z"\n){4,}$/,
  ],
  [
    `LATEST=$(curl -fsS http://dalidou:8100/admin/backup | jq -r '.backups[-1].stamp')
curl -fsS http://dalidou:8100/admin/backup/$LATEST/validate | jq .`,
    /"valid": true,\s+"errors": \[\]/,
  ],
];

/** Those that ask the application itself. */
const ITS_OWN: typeof CHEAT_SHEET = [
  ["curl -fsS http://dalidou:8100/health | jq .", /ok/],
  ["curl -fsS http://dalidou:8100/stats | jq .", /"documents": [1-9]/],
  ["curl -fsS http://dalidou:8100/projects | jq '.projects | length'", /^[1-9]/],
  [
    `curl -fsS -X POST http://dalidou:8100/context/build \\
  -H "Content-Type: application/json" \\
  -d '{"prompt": "what is p05 about", "project": "p05-interferometer"}' | jq '.chunks_used'`,
    /./,
  ],
];

/** With a curl that finds the host of the procedure on a port of this machine. */
function typeLines(lines: typeof CHEAT_SHEET, home: string, port: number): void {
  mkdirSync(home, { recursive: true });
  writeFileSync(path.join(home, ".curlrc"), `connect-to = "dalidou:8100:127.0.0.1:${port}"\n`);
  for (const [line, expected] of lines) {
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", line], {
      encoding: "utf8",
      env: { ...process.env, CURL_HOME: home },
    });
    assert.equal(status, 0, `${line}\n${stderr}${stdout}`);
    assert.match(stdout, expected, line);
  }
}

async function serving(folder: string, work: () => Promise<void>): Promise<void> {
  const service = spawn(process.execPath, [bin, "serve"], { cwd: folder, stdio: "pipe" });
  try {
    for await (const text of service.stdout) {
      if (String(text).includes("POST /admin/backup is answered")) break;
    }
    service.stdout.resume();
    await work();
  } finally {
    const gone = once(service, "exit");
    service.kill("SIGTERM");
    assert.deepEqual(await gone, [0, null]);
  }
}

function damage(storage: string): void {
  const database = path.join(storage, "data/db/atocore.db");
  const bytes = readFileSync(database);
  bytes.fill(0x5a, 4096, Math.min(bytes.length, 20_000));
  writeFileSync(database, bytes);
  const vectors = path.join(storage, "data/chroma");
  for (const name of readdirSync(vectors)) {
    if (name !== "chroma.sqlite3") rmSync(path.join(vectors, name), { recursive: true });
  }
  writeFileSync(path.join(vectors, "chroma.sqlite3"), "no database any more");
}

test("AtoCore: a point under ingestion, a loss, a restore, and its undo", { skip }, async (t) => {
  await using temporary = await temporaryFolder();
  const folder = path.join(temporary.path, "atocore");
  const atocore = await AtoCore.setUp(folder);
  const storage = path.join(folder, "storage");
  try {
    atocore.control("start");
    const first = Array.from({ length: 300 }, (_, i) => `p05 is about optics, part ${i}`);
    await atocore.ingest(first);
    atocore.startIngesting();
    const known = atocore.ingested;
    const taken = await atocore.lastgood("backup", "--include", "chroma");
    assert.equal(taken.code, 0, JSON.stringify(taken.value));
    await atocore.stopIngesting();
    assert(!existsSync(path.join(storage, "run/ingestion.lock")), "the lock was not given back");
    const stamp = String(taken.value["stamp"]);
    const shown = (await atocore.lastgood("show", stamp)).value;
    const facts = shown["stores"] as Record<string, { facts: { rows?: Record<string, number> } }>;
    const rows = facts["atocore/db"]!.facts.rows!["source_chunks"]!;
    assert(rows >= known, `${rows} rows in the point, ${known} were committed before`);
    const exported = readdirSync(path.join(folder, "backups/snapshots", stamp)).toSorted();
    assert.deepEqual(exported, ["backup-metadata.json", "chroma", "config", "db"]);

    await atocore.ingest(["p05 written after the point"]);
    damage(storage);
    const restored = await atocore.lastgood("restore", stamp, "--yes");
    assert.equal(restored.value["outcome"], "committed", JSON.stringify(restored.value));
    assert.equal(atocore.rows("source_chunks"), rows);
    const { chunks_used: used } = await atocore.ask("POST", "/context/build", {
      prompt: "p05 optics",
      project: "p05",
    });
    assert((used as string[]).length > 0);

    const collection = await openCollection(atocore.chromaPort, "chunks");
    const { ids, documents } = await collection.all();
    const missing = documents.filter((document) => document === null).length;
    assert.equal(missing, 0, `${missing} of ${ids.length} vectors have no document`);
    assert(ids.length >= rows, `${ids.length} vectors for ${rows} rows`);
    for (const i of [0, 150, 299]) {
      const found = await collection.query(first[i]!, 1);
      assert.match(found.documents[0] ?? "", /^p05 is about optics/);
    }
    t.diagnostic(`${rows} rows and ${ids.length} vectors back`);

    assert.equal((await atocore.lastgood("backup")).code, 0);
    const again = (await atocore.lastgood("restore", "latest", "--yes")).value;
    assert.equal(again["outcome"], "committed", JSON.stringify(again));
    assert.deepEqual(again["stale"], ["atocore/chroma"]);

    const undone = (await atocore.lastgood("undo", String(restored.value["operation"]), "--yes"))
      .value;
    // The damaged data are put back raw; the service cannot run on them, so lastgood goes back.
    assert.equal(undone["outcome"], "rolled-back", JSON.stringify(undone));
    assert.equal(atocore.rows("source_chunks"), rows);
    assert.equal((await atocore.lastgood("status")).code, 0);

    const drilled = await atocore.lastgood("drill", stamp);
    assert.equal(drilled.value["verdict"], "proven", JSON.stringify(drilled.value));
    t.diagnostic(`the drill: ${JSON.stringify(drilled.value["recovery"])}`);
    await serving(folder, async () => {
      // Somebody ingests just now: a backup of the vectors waits.
      const lock = path.join(storage, "run/ingestion.lock");
      writeFileSync(lock, JSON.stringify({ holder: "atocore" }));
      spawn("sh", ["-c", `sleep 1.5; rm ${lock}`], { stdio: "ignore" });
      const begun = performance.now();
      typeLines([CHEAT_SHEET[1]!], path.join(folder, "admin-curl"), atocore.adminPort);
      assert(performance.now() - begun > 1400);
      typeLines(CHEAT_SHEET, path.join(folder, "admin-curl"), atocore.adminPort);
      typeLines(ITS_OWN, path.join(folder, "own-curl"), Number(new URL(atocore.url).port));
      const asked = await fetch(`http://127.0.0.1:${atocore.adminPort}/admin/backup`, {
        method: "PUT",
      });
      assert.equal(asked.headers.get("content-type"), "application/problem+json");
    });
  } finally {
    await atocore.stopIngesting().catch(() => {});
    atocore.control("stop");
  }
});
