import { lstat, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hasCode, nothingThere } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import type { Writer } from "../repository/repository.ts";
import { placeOf, readyFolder } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import { own } from "./ownership.ts";
import { pathInPoint } from "./path-in-point.ts";
import { probeSchema, type SchemaProbe } from "./schema.ts";
import {
  copyLiveDatabase,
  countLiveRows,
  inspectDatabase,
  isDamage,
  SQLITE_COMPANIONS,
} from "./sqlite-file.ts";
import {
  type Captured,
  errorWord,
  tellProblems,
  type Facts,
  type Ownership,
  type FileStore,
  type StoreContext,
} from "./store.ts";

export type SqliteConfig = {
  /** Without links. */
  readonly path: string;
  /** Its name in a point: that of the configured path. */
  readonly base: string;
  readonly ownership: Ownership;
  readonly optional: boolean;
  /** How its schema is known. */
  readonly schema: SchemaProbe | undefined;
};

/** So many of what is wrong with a database are told. */
const WARNINGS_MAX = 3;

/** A SQLite database that its application goes on writing to while it is captured. */
export function sqliteStore(config: SqliteConfig, { name, temporary }: StoreContext): FileStore {
  const { base } = config;
  const ownName = path.basename(config.path);
  const fileOf = (version: Version): string =>
    path.join(readyFolder(placeOf(config.path, SQLITE_COMPANIONS), version), ownName);

  return {
    kind: "sqlite",
    name,
    where: config.path,
    livePath: config.path,

    capture: (into, at, run) =>
      captureDatabase(config, { name, temporary }, into, `${at}/${base}`, run),

    captureLying: (folder, into, at, run) =>
      captureDatabase(
        { ...config, path: path.join(folder, ownName) },
        { name, temporary },
        into,
        `${at}/${base}`,
        run,
      ),

    place: async () => placeOf(config.path, SQLITE_COMPANIONS),

    async materialise(from, at, folder, run) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const then = await pathInPoint(from, at, base);
      tellProblems(await from.file(then, path.join(folder, ownName)), run);
      await own(path.join(folder, ownName), config.ownership);
    },

    async validate(folder, facts) {
      const file = path.join(folder, ownName);
      if ((await lstat(file).catch(nothingThere)) === undefined) {
        return [errorWord(name, "snapshot_missing")];
      }
      const { problems, rows } = inspectDatabase(file);
      if (problems.length > 0) return [errorWord(name, "integrity_check_failed")];
      return sameRows(rows, facts) ? [] : [errorWord(name, "row_counts_differ")];
    },

    rows: async (query) => {
      using database = new DatabaseSync(config.path, { readOnly: true, timeout: 5000 });
      const statement = database.prepare(query);
      // As objects, columns whose names are numbers would come first.
      statement.setReturnArrays(true);
      return (statement.all() as unknown as unknown[][]).map((row) => row.map(String));
    },

    loss: (_from, _at, facts) => lossIn(config.path, facts?.rows ?? {}),

    lossAgainst: (version) => lossIn(config.path, inspectDatabase(fileOf(version)).rows),

    schemaOf: (version, run) =>
      probeSchema(version === "live" ? config.path : fileOf(version), config.schema, run),
  };
}

async function lossIn(
  file: string,
  then: Readonly<Record<string, number>>,
): Promise<readonly string[]> {
  if ((await lstat(file).catch(nothingThere)) === undefined) return ["nothing: it is gone"];
  const live = countLiveRows(file);
  if (live === undefined) return ["unknown: the live database cannot be read"];
  const lines = describeRows(live, then);
  return lines.length > 0
    ? lines
    : ["as many rows in each table as then; what stands in them was not compared"];
}

async function captureDatabase(
  config: SqliteConfig,
  { name, temporary }: Pick<StoreContext, "name" | "temporary">,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const live = await lstat(config.path, { bigint: true }).catch(nothingThere);
  if (live === undefined) {
    const errors = config.optional ? [] : [errorWord(name, "missing")];
    return { facts: undefined, errors, warnings: [] };
  }
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  const copy = path.join(temporary, `${name.replaceAll("/", "-")}.db`);
  const removeCopy = async (): Promise<void> => {
    for (const suffix of ["", ...SQLITE_COMPANIONS]) await rm(copy + suffix, { force: true });
  };
  try {
    await removeCopy();
    await copyLiveDatabase(config.path, copy);
    run.signal.throwIfAborted();
    const { problems, rows } = inspectDatabase(copy);
    const { sizeBytes } = await into.file(at, copy, {
      chunking: "pages",
      attributesOf: config.path,
      metadata: {
        mode: Number(live.mode),
        uid: Number(live.uid),
        gid: Number(live.gid),
        mtimeNs: live.mtimeNs,
      },
    });
    const errors = problems.length > 0 ? [errorWord(name, "integrity_check_failed")] : [];
    return { facts: { bytes: sizeBytes, rows }, errors, warnings: problems.slice(0, WARNINGS_MAX) };
  } catch (error) {
    if (!hasCode(error, "SOURCE_FAILED")) throw error;
    // The other stores are still worth a copy; the point is invalid and says why.
    const problem = isDamage(error) ? "integrity_check_failed" : "unreadable";
    return {
      facts: undefined,
      errors: [errorWord(name, problem)],
      warnings: [(error as Error).message],
    };
  } finally {
    await removeCopy();
  }
}

function sameRows(rows: Readonly<Record<string, number>>, facts: Facts | undefined): boolean {
  const expected = Object.entries(facts?.rows ?? {});
  return expected.every(([table, count]) => rows[table] === count);
}

/** Tables of which there are more or fewer rows now than then. */
export function describeRows(
  live: Readonly<Record<string, number>>,
  then: Readonly<Record<string, number>>,
): string[] {
  const tables = [...new Set([...Object.keys(live), ...Object.keys(then)])].toSorted();
  return tables
    .filter((table) => live[table] !== then[table])
    .map((table) => `table ${table}: ${live[table] ?? "no"} rows now, ${then[table] ?? "no"} then`);
}
