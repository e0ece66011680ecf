import { hash, randomBytes } from "node:crypto";
import { open, readdir, rm, truncate } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Does to the data what bugs, disks and people do. */
export async function damage(data: string): Promise<void> {
  await using handle = await open(path.join(data, "app.db"), "r+");
  const { size } = await handle.stat();
  for (let at = 0; at < size; at += 64 * 1024) await handle.write(randomBytes(4096), 0, 4096, at);
  await truncate(path.join(data, "registry.json"), 7);
  const vectors = await readdir(path.join(data, "vectors"));
  for (const name of vectors.slice(0, vectors.length / 2))
    await rm(path.join(data, "vectors", name));
}

/** Looks at every row up to the given one: whether it is there, and whether its checksum is right. */
export function inspectNotes(
  file: string,
  upTo: number,
): { rows: number; firstMissing: number | undefined; damaged: number } {
  using database = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  const { rows } = database.prepare("SELECT count(*) AS rows FROM notes").get() as { rows: number };
  let expected = 1;
  let damaged = 0;
  const notes = database.prepare("SELECT id, text, sum FROM notes WHERE id <= ? ORDER BY id");
  for (const row of notes.iterate(upTo)) {
    const { id, text, sum } = row as { id: number; text: string; sum: string };
    if (id !== expected) return { rows, firstMissing: expected, damaged };
    if (hash("sha256", text) !== sum) damaged++;
    expected++;
  }
  return { rows, firstMissing: expected <= upTo ? expected : undefined, damaged };
}
