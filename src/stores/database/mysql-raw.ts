import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { MysqlServer } from "./mysql-server.ts";
import { text } from "./mysql-text.ts";

// Rows of MariaDB are dumped as the bytes that they are, where that is safe: to look for characters takes
// mariadb-dump a third of its time. Definitions never are: the text of a default or of an ENUM has
// characters, which would become others where a table has another character set than the dump.

/** What a program is told so that text comes as the bytes that lie in the server. */
export const BYTES = "--default-character-set=binary";
/** What mariadb-dump is told. Bytes are escaped then, and stand for themselves. */
const RAW: readonly string[] = [BYTES, "--skip-hex-blob"];

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

type Asked = {
  readonly query: MysqlServer["query"];
  /** Asks as one who wants bytes. */
  readonly queryBytes: MysqlServer["query"];
};

/** Whether the rows of a schema can be dumped as bytes. */
export async function isRaw(
  { query, queryBytes }: Asked,
  schema: string,
  run: Run,
): Promise<boolean> {
  // A server can be told not to listen to what a program wants, and then changes text all the same.
  const [[version = "", ...characters] = []] = await queryBytes(
    "SELECT VERSION(), @@character_set_client, @@character_set_results",
    run,
  );
  if (!version.includes("MariaDB") || characters.some((set) => set !== "binary")) return false;
  // The next number of a sequence has to be read after the rows that have its numbers.
  const types = await query(
    `SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = ${text(schema)}
     UNION SELECT table_type FROM information_schema.tables WHERE table_schema = ${text(schema)} AND table_type = 'SEQUENCE'`,
    run,
  );
  return types.every(([type]) => RAW_TYPES.has(type!));
}

/** Dumps with these arguments; SOURCE_FAILED where that fails. */
type Dump = (run: Run, ...args: string[]) => AsyncGenerator<Buffer>;

/**
 * First the definitions, then the rows. SOURCE_FAILED when the definitions are others afterwards: then the
 * rows may not fit those that were dumped.
 */
export async function* dumpRaw(
  dump: Dump,
  schema: string,
  args: readonly string[],
  run: Run,
): AsyncGenerator<Buffer> {
  const define = async (): Promise<Buffer> => {
    const defined = Buffer.concat(await Array.fromAsync(dump(run, "--no-data", ...args)));
    if (COMPLETED.test(defined.subarray(-END_BYTES).toString("latin1"))) return defined;
    throw new AppError("SOURCE_FAILED", `dump ${schema}: the definitions of its tables end early`, {
      hint: "Look into the log of the server, and back up again.",
    });
  };
  const before = await define();
  yield before;
  yield* dump(run, "--no-create-info", ...RAW, ...args);
  if (withoutCounters(before) === withoutCounters(await define())) return;
  throw new AppError("SOURCE_FAILED", `dump ${schema}: its tables were changed meanwhile`, {
    hint: "Back up again once the migration is through.",
  });
}

const END_BYTES = 100;
const COMPLETED = /\n-- Dump completed[^\n]*\n$/;

/** Counters go on as rows are written: that is no change of a table. */
function withoutCounters(definitions: Buffer): string {
  return definitions.toString("latin1").replaceAll(/ AUTO_INCREMENT=\d+/g, "");
}
