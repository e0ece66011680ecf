import { open, readdir } from "node:fs/promises";
import path from "node:path";
import type { Run } from "../../base/events.ts";

/** What is worth keeping in a folder, as far as one can see from outside. */
export type FoundData = {
  readonly databases: readonly string[];
  readonly chromaFolders: readonly string[];
  readonly folders: readonly string[];
  /** What lies beside a live database, or behind a link, and is in no store. */
  readonly leftOut: readonly string[];
  readonly composeFile: string | undefined;
  readonly envFiles: readonly string[];
};

const SQLITE_MAGIC = "SQLite format 3\0";
const COMPOSE = new Set([
  "compose.yaml",
  "compose.yml",
  "docker-compose.yml",
  "docker-compose.yaml",
]);
/** Folders that hold code, or what can be made again. */
const SKIPPED = new Set([
  "node_modules",
  "venv",
  "__pycache__",
  "cache",
  "tmp",
  "logs",
  "dist",
  "build",
  "src",
]);
const DATA_FOLDERS = /^(data|uploads?|storage|media|files|vectors?|public|attachments|sources)$/i;
/** A registry or settings beside the application; not what describes its code. */
const LOOSE_DATA =
  /^(?!package|tsconfig|composer|lastgood|\.)[^.]+\.(json|ya?ml|toml|ini|csv|db|conf)$/i;
const ENTRIES_MAX = 20_000;
const DEPTH_MAX = 4;

export async function findData(root: string, run: Run): Promise<FoundData> {
  const databases: string[] = [];
  const chromaFolders: string[] = [];
  const folders: string[] = [];
  const envFiles: string[] = [];
  const links: string[] = [];
  const loose: string[] = [];
  let composeFile: string | undefined;
  let entries = 0;

  const visit = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      run.signal.throwIfAborted();
      if (++entries > ENTRIES_MAX) return;
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
        if (depth < DEPTH_MAX) await visit(file, depth + 1);
        if (depth === 0 && DATA_FOLDERS.test(entry.name)) folders.push(file);
      } else if (entry.isSymbolicLink()) {
        if (depth === 0 && DATA_FOLDERS.test(entry.name)) links.push(file);
      } else if (entry.isFile()) {
        if (depth === 0 && COMPOSE.has(entry.name)) composeFile = file;
        if (depth === 0 && /^\.env(\..+)?$/.test(entry.name)) envFiles.push(file);
        if (entry.name === "chroma.sqlite3") chromaFolders.push(folder);
        else if (await isSqlite(file)) databases.push(file);
        else if (depth === 0 && isLooseData(entry.name)) loose.push(file);
      }
    }
  };

  await visit(root, 0);
  const live = [...databases, ...chromaFolders];
  // A folder with a live database in it must not be copied file by file.
  const { whole, leftOut } = await around(folders, live);
  return {
    databases: databases.filter((file) => !chromaFolders.some((of) => isInside(file, of))),
    chromaFolders,
    folders: whole,
    leftOut: [...leftOut, ...links, ...loose],
    composeFile,
    envFiles,
  };
}

function isInside(file: string, folder: string): boolean {
  return file.startsWith(`${folder}${path.sep}`);
}

/** Folders without a live database in them; of those with one, the folders in it, and the files. */
async function around(
  folders: readonly string[],
  live: readonly string[],
): Promise<{ whole: string[]; leftOut: string[] }> {
  const whole: string[] = [];
  const leftOut: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    if (live.includes(folder)) return;
    if (!live.some((file) => isInside(file, folder))) {
      whole.push(folder);
      return;
    }
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) await visit(file);
      else if (!live.some((one) => file === one || isCompanion(file, one))) leftOut.push(file);
    }
  };
  for (const folder of folders) await visit(folder);
  return { whole, leftOut };
}

function isCompanion(file: string, database: string): boolean {
  return ["-wal", "-shm", "-journal"].some((suffix) => file === database + suffix);
}

function isLooseData(name: string): boolean {
  return LOOSE_DATA.test(name) && !COMPOSE.has(name);
}

async function isSqlite(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, "r");
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(SQLITE_MAGIC.length),
      position: 0,
    });
    return bytesRead === SQLITE_MAGIC.length && buffer.toString("latin1") === SQLITE_MAGIC;
  } catch {
    // What cannot be read cannot be proposed either.
    return false;
  }
}
