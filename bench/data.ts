import { execFileSync } from "node:child_process";
import { createCipheriv, randomBytes, randomFillSync } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const MIB = 1024 * 1024;

/** A third random, a third float32 vectors, a third text; made once and used again. */
export function makeMixed(folder: string, megabytes: number): void {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  const third = Math.floor(megabytes / 3);
  fill(path.join(folder, "random.bin"), third, (buffer) => void randomFillSync(buffer));
  fill(path.join(folder, "vectors.f32"), third, vectors);
  fill(path.join(folder, "text.txt"), third, words());
}

function fill(file: string, megabytes: number, make: (buffer: Buffer) => void): void {
  const descriptor = openSync(file, "w");
  const buffer = Buffer.alloc(MIB);
  for (let i = 0; i < megabytes; i++) {
    make(buffer);
    writeSync(descriptor, buffer);
  }
  closeSync(descriptor);
}

/** Numbers around zero, as embeddings are: random mantissas, few exponents. */
function vectors(buffer: Buffer): void {
  randomFillSync(buffer);
  for (let at = 3; at < buffer.length; at += 4) buffer[at] = 0x3c + (buffer[at]! & 0x81);
}

/** Words of a vocabulary of twenty thousand. */
function words(): (buffer: Buffer) => void {
  const letters = randomBytes(20_000 * 10);
  const vocabulary = Array.from({ length: 20_000 }, (_, i) => {
    const word = letters.subarray(i * 10, i * 10 + 2 + (letters[i * 10]! % 9));
    return word.map((byte) => 97 + (byte % 26)).toString();
  });
  return (buffer) => {
    const choices = randomBytes(buffer.length / 2);
    let text = "";
    for (let i = 0; text.length < buffer.length; i = (i + 2) % (choices.length - 1)) {
      text += `${vocabulary[choices.readUInt16LE(i) % vocabulary.length]!} `;
    }
    buffer.write(text.slice(0, buffer.length), "latin1");
  };
}

/** Small files of some kilobytes of text, as a source tree or a mail folder has them. */
export async function makeSmall(folder: string, count: number): Promise<void> {
  if (existsSync(folder)) return;
  const make = words();
  const text = Buffer.alloc(MIB);
  make(text);
  for (let i = 0; i < count; i++) {
    const sub = path.join(folder, String(i % 100), String(Math.floor(i / 100) % 20));
    if (i < 2000) mkdirSync(sub, { recursive: true });
    const length = 200 + ((i * 7919) % 6600);
    const from = (i * 104_729) % (MIB - length);
    // The number makes each one different.
    await writeFile(
      path.join(sub, `f${i}`),
      Buffer.concat([Buffer.from(`${i} `), text.subarray(from, from + length)]),
    );
  }
}

/** A SQLite database of incompressible rows. */
export function makeDatabase(file: string, megabytes: number): void {
  if (existsSync(file)) return;
  mkdirSync(path.dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
  database.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
  const insert = database.prepare("INSERT INTO t VALUES (?, ?)");
  const noise = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  database.exec("BEGIN");
  for (let i = 0; i < megabytes * 256; i++) insert.run(i, noise.update(Buffer.alloc(4000)));
  database.exec("COMMIT");
  database.close();
}

/** Changes one row in a hundred, one block of neighbours after the other. */
export function changeDatabase(file: string): void {
  using database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
  const { n } = database.prepare("SELECT count(*) AS n FROM t").get() as { n: number };
  const update = database.prepare("UPDATE t SET data = ? WHERE id = ?");
  const block = 64;
  for (let changed = 0; changed < n / 100; changed += block) {
    const start = Math.floor(Math.random() * (n - block));
    for (let i = 0; i < block; i++) update.run(randomBytes(4000), start + i);
  }
  database.exec("COMMIT");
}

/**
 * Reads all files, so that nobody has to wait for the disk: borg tells the system to forget what it has
 * read, and whoever comes after it would pay.
 */
export function warm(folder: string): void {
  execFileSync("sh", ["-c", 'find "$1" -type f -exec cat {} + > /dev/null', "sh", folder]);
}

export function removeAll(...folders: readonly string[]): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
