// A stand-in for AtoCore: the same data on disk, the same questions, the same ingestion lock. Its
// interface is what is publicly known of the real one: /health, /stats, /projects, /context/build.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { openCollection } from "./chroma-client.ts";

const storage = path.join(import.meta.dirname, "storage");
const lock = path.join(storage, "run", "ingestion.lock");
const registryFile = path.join(storage, "config", "project-registry.json");
const port = Number(process.env["ATOCORE_PORT"]);

mkdirSync(path.join(storage, "data", "db"), { recursive: true });
mkdirSync(path.dirname(lock), { recursive: true });
mkdirSync(path.dirname(registryFile), { recursive: true });
const database = new DatabaseSync(path.join(storage, "data", "db", "atocore.db"), {
  timeout: 5000,
});
database.exec(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS projects (id TEXT PRIMARY KEY, name TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS source_documents (id INTEGER PRIMARY KEY, project TEXT NOT NULL, path TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS source_chunks (id TEXT PRIMARY KEY, document INTEGER NOT NULL, text TEXT NOT NULL);
`);
const chunks = await openCollection(Number(process.env["CHROMA_PORT"]), "chunks");

type Ingestion = { project: string; documents: string[] };

/** One ingestion at a time, and none while a backup holds the lock. */
async function ingest({ project, documents }: Ingestion): Promise<object> {
  for (;;) {
    try {
      writeFileSync(lock, JSON.stringify({ holder: "atocore" }), { flag: "wx" });
      break;
    } catch {
      await sleep(20);
    }
  }
  try {
    database.prepare("INSERT OR IGNORE INTO projects VALUES (?, ?)").run(project, project);
    const ids: string[] = [];
    for (const text of documents) {
      const { lastInsertRowid: document } = database
        .prepare("INSERT INTO source_documents (project, path) VALUES (?, ?)")
        .run(project, `vault/${project}.md`);
      const id = `${project}-${document}`;
      database.prepare("INSERT INTO source_chunks VALUES (?, ?, ?)").run(id, document, text);
      ids.push(id);
    }
    await chunks.add(ids, documents);
    const projects = database.prepare("SELECT id FROM projects ORDER BY id").all();
    writeFileSync(registryFile, JSON.stringify({ projects }));
    return { ingested: ids.length };
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Vectors whose row is gone are left out: a stale index means missing results, not wrong ones. */
async function buildContext({ prompt }: { prompt: string }): Promise<object> {
  const { ids } = await chunks.query(prompt, 5);
  const known = database.prepare("SELECT text FROM source_chunks WHERE id = ?");
  const used = ids.filter((id) => known.get(id) !== undefined);
  return { chunks_used: used };
}

function count(table: string): unknown {
  return database.prepare(`SELECT count(*) AS n FROM ${table}`).get()!["n"];
}

async function answer(request: IncomingMessage): Promise<object | undefined> {
  const body = async (): Promise<unknown> => {
    let text = "";
    for await (const part of request) text += String(part);
    return JSON.parse(text);
  };
  switch (`${request.method} ${request.url}`) {
    case "GET /health":
      return { status: "ok" };
    case "GET /stats":
      return { documents: count("source_documents"), chunks: count("source_chunks") };
    case "GET /projects":
      return existsSync(registryFile)
        ? (JSON.parse(readFileSync(registryFile, "utf8")) as object)
        : { projects: [] };
    case "POST /context/build":
      return await buildContext((await body()) as { prompt: string });
    case "POST /ingest":
      return await ingest((await body()) as Ingestion);
    default:
      return undefined;
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, body: object): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  try {
    const found = await answer(request);
    send(found === undefined ? 404 : 200, found ?? { error: "not found" });
  } catch (error) {
    send(500, { error: String(error) });
  }
}

createServer((request, response) => void respond(request, response)).listen(port, "127.0.0.1");
