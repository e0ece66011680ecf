// A stand-in for raggen-web: chats and messages in SQLite with the schemas of 1.0 and 2.0, which are
// those of the real one, and started as its container is: whatever the database was, it is made what
// this version wants, `prisma db push --accept-data-loss`.
import fs from "node:fs";
import http from "node:http";
import { DatabaseSync } from "node:sqlite";

const { PORT = "3000", EMBED_URL = "http://127.0.0.1:8001" } = process.env;
const file = (process.env.DATABASE_URL ?? "file:/app/prisma/dev.db").slice("file:".length);
const release = JSON.parse(fs.readFileSync(new URL("release.json", import.meta.url), "utf8"));
const { version, behaviour = "good" } = release;

if (behaviour === "exits") {
  console.error("Error: Cannot find module './chunks/1234.js'");
  process.exit(1);
}

const database = new DatabaseSync(file);
database.exec("PRAGMA busy_timeout = 5000");
const isDone = (name) =>
  database.prepare("SELECT 1 FROM _prisma_migrations WHERE migration_name = ?").get(name) !==
  undefined;
const migrate = (name, sql) => {
  if (isDone(name)) return;
  database.exec(sql);
  database
    .prepare("INSERT INTO _prisma_migrations VALUES (?, 'x', ?, ?, NULL, NULL, ?, 1)")
    .run(name, Date.now(), name, Date.now());
};
database.exec(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id TEXT PRIMARY KEY, checksum TEXT, finished_at DATETIME, migration_name TEXT, logs TEXT,
  rolled_back_at DATETIME, started_at DATETIME, applied_steps_count INTEGER)`);
migrate(
  "20241101000000_init",
  `
  CREATE TABLE Chat (id TEXT PRIMARY KEY, provider TEXT, createdAt DATETIME, updatedAt DATETIME);
  CREATE TABLE Message (id TEXT PRIMARY KEY, chatId TEXT, message TEXT NOT NULL, response TEXT,
    model TEXT, provider TEXT, timestamp DATETIME, temperature REAL, maxTokens INTEGER);
  CREATE TABLE Embedding (id TEXT PRIMARY KEY, messageId TEXT UNIQUE NOT NULL, vector BLOB,
    vectorId INTEGER, createdAt DATETIME);
  CREATE TABLE Context (id TEXT PRIMARY KEY, messageId TEXT, sourceId TEXT, score REAL,
    usedInPrompt BOOLEAN, createdAt DATETIME);`,
);
if (version.startsWith("2.")) {
  migrate(
    "20250601000000_documents",
    `
    CREATE TABLE Document (id TEXT PRIMARY KEY, name TEXT, type TEXT, size INTEGER, content TEXT,
      metadata TEXT, createdAt DATETIME);
    CREATE TABLE Embedding2 (id TEXT PRIMARY KEY, messageId TEXT UNIQUE, documentId TEXT UNIQUE,
      vector BLOB, vectorId INTEGER, createdAt DATETIME);
    INSERT INTO Embedding2 SELECT id, messageId, NULL, vector, vectorId, createdAt FROM Embedding;
    DROP TABLE Embedding;
    ALTER TABLE Embedding2 RENAME TO Embedding;
    ALTER TABLE Context ADD COLUMN documentId TEXT;`,
  );
} else if (isDone("20250601000000_documents")) {
  // What --accept-data-loss does to a newer schema.
  database.exec(`
    DROP TABLE Document;
    DELETE FROM Embedding WHERE messageId IS NULL;
    ALTER TABLE Embedding DROP COLUMN documentId`);
}

const embed = async (text) => {
  const response = await fetch(`${EMBED_URL}/api/v1/embed`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text }),
  });
  if (!response.ok) throw new Error(`embed answers ${response.status}`);
  return await response.json();
};

const add = async (text, column) => {
  const { embedding, vector_id: vectorId } = await embed(text);
  const id = crypto.randomUUID();
  const vector = Buffer.from(new Float32Array(embedding).buffer);
  if (column === "messageId") {
    database
      .prepare("INSERT INTO Message (id, message, timestamp) VALUES (?, ?, ?)")
      .run(id, text, Date.now());
  } else {
    database
      .prepare("INSERT INTO Document (id, name, content) VALUES (?, ?, ?)")
      .run(id, text, text);
  }
  database
    .prepare(`INSERT INTO Embedding (id, ${column}, vector, vectorId) VALUES (?, ?, ?, ?)`)
    .run(crypto.randomUUID(), id, vector, vectorId);
  return { id, vectorId };
};

const countOf = (table) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get().n;

const server = http.createServer(async (request, response) => {
  const answer = (status, value) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };
  try {
    if (behaviour === "answers-500") return answer(500, { error: "Internal Server Error" });
    const { pathname } = new URL(request.url, "http://localhost");
    if (request.method === "POST") {
      let text = "";
      for await (const part of request) text += part;
      const { message, document } = JSON.parse(text);
      if (pathname === "/api/chat") return answer(200, await add(message, "messageId"));
      if (pathname === "/api/documents" && version.startsWith("2.")) {
        return answer(200, await add(document, "documentId"));
      }
    }
    if (pathname === "/") return answer(200, { status: "ok", version });
    if (pathname === "/api/messages") {
      return answer(200, { count: countOf("Message"), embeddings: countOf("Embedding") });
    }
    return answer(404, { error: "not found" });
  } catch (error) {
    return answer(500, { error: error.message });
  }
});
server.listen(Number(PORT), "127.0.0.1");
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  database.close();
  process.exit(0);
});
