import type { Run } from "../../base/events.ts";
import type { Command } from "../../base/exec.ts";
import type { Tools } from "./tools.ts";

export type PostgresConnection = {
  /** A name, an address, or the folder of a socket. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string;
};

/** PostgreSQL, spoken to by its own programs. */
export type PostgresServer = {
  /** The rows that the last of the statements gives, as text; all in one transaction. SOURCE_FAILED. */
  query(sql: string, run: Run, database?: string): Promise<string[][]>;
  /** As above, without a transaction around it, which making databases does not bear. */
  command(sql: string, run: Run): Promise<void>;
  /** All of a database as one moment has it, as statements. */
  dump(database: string, run: Run): AsyncGenerator<Buffer>;
  /** Roles with what they may, and without databases. */
  dumpRoles(run: Run): AsyncGenerator<Buffer>;
  load(database: string, source: AsyncIterable<Uint8Array>, run: Run): Promise<void>;
};

/** Where statements are run that are about databases as a whole. */
const MAINTENANCE = "postgres";
/** Between fields and rows: neither can be in a name or a number. */
const [FIELD, ROW] = ["\u001f", "\u001e"];

export function postgresServer(connection: PostgresConnection, tools: Tools): PostgresServer {
  const { host, port, user } = connection;
  const where = [
    `--username=${user}`,
    "--no-password",
    ...(host === undefined ? [] : [`--host=${host}`]),
    ...(port === undefined ? [] : [`--port=${port}`]),
  ];
  const psql = (database: string, ...args: string[]): Command => [
    "psql",
    "--no-psqlrc",
    "--quiet",
    "--set=ON_ERROR_STOP=1",
    ...where,
    `--dbname=${database}`,
    ...args,
  ];
  const separated = [
    "--tuples-only",
    "--no-align",
    `--field-separator=${FIELD}`,
    `--record-separator=${ROW}`,
  ];
  return {
    async query(sql, run, database = MAINTENANCE) {
      const command = psql(database, ...separated, "--single-transaction", "--file=-");
      const printed = (await tools.ask(command, sql, run)).replace(/\n$/, "");
      if (printed === "") return [];
      return printed
        .replace(new RegExp(`${ROW}$`), "")
        .split(ROW)
        .map((row) => row.split(FIELD));
    },
    async command(sql, run) {
      await tools.ask(psql(MAINTENANCE), sql, run);
    },
    dump: (database, run) => tools.read(["pg_dump", ...where, "--format=plain", database], run),
    dumpRoles: (run) => tools.read(["pg_dumpall", ...where, "--roles-only"], run),
    async load(database, source, run) {
      await tools.write(psql(database, "--output=/dev/null"), source, run);
    },
  };
}

/** A text in a statement. */
export function text(value: string): string {
  return `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** A name in a statement. */
export function quoted(...names: string[]): string {
  return names.map((name) => `"${name.replaceAll('"', '""')}"`).join(".");
}
