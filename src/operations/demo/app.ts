// The application of the demo: writes rows to SQLite in WAL mode without pause. Each row carries a
// checksum of itself, so that afterwards nobody has to believe anything. `app.ts <folder> run`.
import { hash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import path from "node:path";

const folder = process.argv[2] ?? "";
const database = new DatabaseSync(path.join(folder, "data", "app.db"), { timeout: 5000 });
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, sum TEXT NOT NULL);
`);
const last = database.prepare("SELECT coalesce(max(id), 0) AS id FROM notes").get() as {
  id: number;
};
const insert = database.prepare("INSERT INTO notes VALUES (?, ?, ?)");

let id = last.id;
function write(): void {
  for (let i = 0; i < 20; i++) {
    id++;
    const text = `note ${id}: ${"all work and no play ".repeat(id % 7)}`;
    insert.run(id, text, hash("sha256", text));
  }
  setImmediate(write);
}
write();
