// A small application for tests: notes in SQLite behind HTTP. `notes-app.mjs <folder> <port>`. It writes
// a line to its database and to log/ whenever it starts.
import { appendFileSync, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const [folder, port] = process.argv.slice(2);
if (!existsSync(path.join(folder, "needed.txt"))) throw new Error("needed.txt is not there");
const database = new DatabaseSync(path.join(folder, "notes.db"), { timeout: 5000 });
database.exec("PRAGMA journal_mode = WAL");
database.exec("CREATE TABLE IF NOT EXISTS notes (text TEXT)");
database.exec("INSERT INTO notes VALUES ('started')");
mkdirSync(path.join(folder, "log"), { recursive: true });
appendFileSync(path.join(folder, "log", "app.log"), "started\n");

createServer((request, response) => {
  const { notes } = database
    .prepare("SELECT count(*) AS notes FROM notes WHERE text != 'started'")
    .get();
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ notes, folder: request.url }));
}).listen(Number(port), "127.0.0.1");
