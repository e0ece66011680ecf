import { copyFile, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isMountPoint } from "../slots/place.ts";
import { type FolderConfig, folderStore, isFolder } from "./folder.ts";
import { inspectDatabase, SQLITE_COMPANIONS } from "./sqlite-file.ts";
import { errorWord, type FileStore, type StoreContext } from "./store.ts";

const DATABASE = "chroma.sqlite3";

/**
 * A Chroma folder: a SQLite database and a folder for each vector segment. They have to be of one
 * moment, so the application is held while they are captured: copied one after the other while
 * somebody writes, queries afterwards return ids without documents, or miss documents.
 */
export function chromaStore(config: FolderConfig, context: StoreContext): FileStore {
  const { name, temporary } = context;
  const inspect = (copy: string): Promise<string[]> => problemsOf(copy, name, temporary);
  const folder = folderStore(config, context, inspect);
  const ownName = path.basename(config.path);

  return {
    ...folder,
    kind: "chroma",

    async validate(materialised, facts, run) {
      const root = (await isMountPoint(config.path))
        ? materialised
        : path.join(materialised, ownName);
      if (!(await isFolder(root))) return [errorWord(name, "snapshot_missing")];
      const problems = await folder.validate(materialised, facts, run);
      return [...problems, ...(await inspect(root))];
    },
  };
}

/** Looks into a copy of the database: reading the original would change it. */
async function problemsOf(folder: string, name: string, temporary: string): Promise<string[]> {
  const file = path.join(folder, DATABASE);
  if (!existsSync(file)) return [errorWord(name, "database_missing")];
  const copy = path.join(temporary, `${name.replaceAll("/", "-")}.check.db`);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  try {
    for (const suffix of ["", ...SQLITE_COMPANIONS]) {
      await rm(copy + suffix, { force: true });
      if (existsSync(file + suffix)) await copyFile(file + suffix, copy + suffix);
    }
    foldLogIn(copy);
    const { problems } = inspectDatabase(copy);
    return problems.length > 0 ? [errorWord(name, "integrity_check_failed")] : [];
  } finally {
    for (const suffix of ["", ...SQLITE_COMPANIONS]) await rm(copy + suffix, { force: true });
  }
}

/** What stands in the log becomes part of the file. */
function foldLogIn(file: string): void {
  try {
    using database = new DatabaseSync(file);
    database.exec("PRAGMA journal_mode = DELETE");
  } catch {
    // A damaged database is found by the inspection that follows.
  }
}
