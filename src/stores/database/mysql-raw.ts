import { hash } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { MysqlServer } from "./mysql-server.ts";
import { text } from "./mysql-text.ts";

// Rows of MariaDB are dumped as the bytes that they are, where that is safe: to look for characters takes
// mariadb-dump a third of its time. Definitions never are: the text of a default or of an ENUM has
// characters, which would become others where a table has another character set than the dump.

/** What mariadb-dump is told. Bytes are escaped then, and stand for themselves. */
export const RAW: readonly string[] = ["--default-character-set=binary", "--skip-hex-blob"];

/**
 * Types that take from a string of bytes what they gave as one. UUID, INET4, INET6 and VECTOR would take it
 * for their inner form, JSON of MySQL refuses it, and BIT and shapes are numbers.
 */
const RAW_TYPES: ReadonlySet<string> = new Set(
  [
    "tinyint smallint mediumint int bigint decimal float double",
    "date datetime timestamp time year",
    "char varchar tinytext text mediumtext longtext enum set",
    "binary varbinary tinyblob blob mediumblob longblob",
  ].flatMap((types) => types.split(" ")),
);

/** What the rows of a schema look like: rows that are dumped after the definitions have to fit them. */
export type Shape = {
  /** Whether all rows can be dumped as bytes. */
  readonly isRaw: boolean;
  readonly fingerprint: string;
};

export async function shapeOf(
  query: MysqlServer["query"],
  schema: string,
  run: Run,
): Promise<Shape> {
  const columns = await query(
    `SELECT table_name, column_name, column_type, character_set_name, data_type FROM information_schema.columns
     WHERE table_schema = ${text(schema)} ORDER BY table_name, ordinal_position`,
    run,
  );
  // The next number of a sequence has to be read after the rows that have its numbers.
  const sequences = await query(
    `SELECT 1 FROM information_schema.tables WHERE table_schema = ${text(schema)} AND table_type = 'SEQUENCE'`,
    run,
  );
  const [[version = ""] = []] = await query("SELECT VERSION()", run);
  const isPlain = columns.every(([, , , , type]) => RAW_TYPES.has(type!));
  return {
    isRaw: version.includes("MariaDB") && sequences.length === 0 && isPlain,
    fingerprint: hash("sha256", JSON.stringify(columns)),
  };
}

/** SOURCE_FAILED when the rows that were dumped may not fit the definitions that were dumped before. */
export function refuseOtherShape(schema: string, before: Shape, after: Shape): void {
  if (before.fingerprint === after.fingerprint) return;
  throw new AppError("SOURCE_FAILED", `dump ${schema}: its tables were changed meanwhile`, {
    hint: "Back up again once the migration is through.",
  });
}
