import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Run } from "../base/events.ts";
import { type Command, execOk } from "../base/exec.ts";

/** What tells which programs can read a database. */
export type Schema = {
  /** Equal for equal schemas. */
  readonly fingerprint: string;
  /** The migrations that were applied, where somebody keeps a list of them. */
  readonly migrations?: readonly string[];
  /**
   * Of the statements that made the tables, where a list of migrations is what counts: a program
   * that changes tables on its own, as `prisma db push` does, leaves the list as it was.
   */
  readonly shape?: string;
};

/** Whether nothing of the schema differs. */
export function isSameSchema(a: Schema | undefined, b: Schema | undefined): boolean {
  return a?.fingerprint === b?.fingerprint && a?.shape === b?.shape;
}

/** Who keeps the list; undefined: nobody, and the statements that made the tables have to do. */
export type SchemaProbe = {
  readonly prisma?: true | undefined;
  readonly alembic?: true | undefined;
  readonly django?: true | undefined;
  readonly "user-version"?: true | undefined;
  readonly hash?: true | undefined;
  readonly query?: string | undefined;
  readonly command?: Command | undefined;
};

const COMMAND_MS_MAX = 30_000;

/** Undefined when there is no such database or it cannot be told. */
export async function probeSchema(
  file: string,
  probe: SchemaProbe | undefined,
  run: Run,
): Promise<Schema | undefined> {
  if (!existsSync(file)) return undefined;
  if (probe?.command !== undefined) {
    const said = await execOk(probe.command, { timeoutMs: COMMAND_MS_MAX }, run);
    return ofMigrations(said.split("\n").filter((line) => line !== ""));
  }
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
    const query = probe === undefined ? undefined : migrationsQuery(probe, "sqlite");
    if (query === undefined) return ofStatements(database, probe?.["user-version"] === true);
    const { fingerprint: shape } = ofStatements(database, false);
    return { ...ofMigrations(migrationsIn(database, query)), shape };
  } catch {
    // A damaged database, or one without such a table.
    return undefined;
  }
}

/** None where their table is not there yet. */
function migrationsIn(database: DatabaseSync, query: string): string[] {
  try {
    return database
      .prepare(query)
      .all()
      .map((row) => String(Object.values(row)[0]));
  } catch (error) {
    if (/no such table/.test((error as Error).message)) return [];
    throw error;
  }
}

/** The tables of prisma-migrate, of Alembic and of Django's migration framework. */
export function migrationsQuery(
  { prisma, alembic, django, query }: SchemaProbe,
  dialect: "sqlite" | "mysql" | "postgres",
): string | undefined {
  if (prisma === true) {
    return "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name";
  }
  if (alembic === true) return "SELECT version_num FROM alembic_version ORDER BY version_num";
  if (django === true) {
    const name = dialect === "mysql" ? "CONCAT(app, '.', name)" : "app || '.' || name";
    return `SELECT ${name} FROM django_migrations ORDER BY 1`;
  }
  return query;
}

function ofMigrations(migrations: readonly string[]): Schema {
  return { fingerprint: fingerprintOf(migrations), migrations };
}

function ofStatements(database: DatabaseSync, isVersionEnough: boolean): Schema {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (isVersionEnough) return { fingerprint: `user_version ${version}` };
  const statements = database
    .prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name",
    )
    .all();
  return { fingerprint: fingerprintOf([version, statements]) };
}

function fingerprintOf(value: unknown): string {
  return hash("sha256", JSON.stringify(value)).slice(0, 16);
}
