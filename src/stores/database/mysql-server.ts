import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Command } from "../../base/exec.ts";
import { BYTES, dumpRaw, isRaw } from "./mysql-raw.ts";
import { quoted, text, unescaped } from "./mysql-text.ts";
import type { Tools } from "./tools.ts";

export type MysqlConnection = {
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly socket: string | undefined;
  readonly user: string;
};

/** MariaDB or MySQL, spoken to by its own programs. */
export type MysqlServer = {
  /** The rows that the statements give, as text. SOURCE_FAILED. */
  query(sql: string, run: Run, schema?: string): Promise<string[][]>;
  /** Base tables with their engines, by name; of sequences and the like what they are. */
  tables(schema: string, run: Run): Promise<Map<string, string>>;
  /** Tables with their rows, as one moment has them. */
  dumpTables(schema: string, run: Run): AsyncGenerator<Buffer>;
  /**
   * What else there is: routines, views, triggers. It can be loaded again and again. Views that lead
   * to nothing any more are left out, with a word.
   */
  dumpObjects(schema: string, run: Run): AsyncGenerator<Buffer>;
  dumpEvents(schema: string, run: Run): AsyncGenerator<Buffer>;
  /** Of the program that makes dumps: "10.11.14-MariaDB", or "8.0.39". */
  toolVersion(run: Run): Promise<string>;
  /** Accounts with what they may; MariaDB only. */
  dumpUsers(run: Run): AsyncGenerator<Buffer>;
  load(schema: string, source: AsyncIterable<Uint8Array>, run: Run): Promise<void>;
};

/** Tables of ours, by what they say of the schema in which they are; see mysql-versions. */
export const OWN_TABLES = {
  staged: "lastgood_staged",
  ready: "lastgood_ready",
  pending: "lastgood_pending",
  saved: "lastgood_saved",
  failed: "lastgood_failed",
} as const;

const PACKET = "--max-allowed-packet=1G";
const CHARACTERS = "--default-character-set=utf8mb4";

export function mysqlServer(connection: MysqlConnection, tools: Tools): MysqlServer {
  const programs = openPrograms(connection, tools);
  const queryWith =
    (...options: string[]): MysqlServer["query"] =>
    async (sql, run, schema) => {
      const into = schema === undefined ? [] : [schema];
      const lines = ["--batch", "--skip-column-names"];
      const command = await programs.client(run, ...options, ...lines, ...into);
      const printed = await tools.ask(command, sql, run);
      if (printed === "") return [];
      return printed.split("\n").map((line) => line.split("\t").map(unescaped));
    };
  const query = queryWith();
  const asked = { query, queryBytes: queryWith(BYTES) };
  const viewsIn = async (schema: string, run: Run): Promise<string[]> =>
    (await query(viewsOf(schema), run)).map(([name]) => name!);
  const dump = async function* (run: Run, ...args: string[]): AsyncGenerator<Buffer> {
    yield* tools.read(await programs.dump(run, ...args), run);
  };

  return {
    query,

    async tables(schema, run) {
      return new Map(
        (await query(tablesOf(schema), run)).map(([name, engine]) => [name!, engine!]),
      );
    },

    async *dumpTables(schema, run) {
      const isMysql = await programs.isMysql(run);
      const [views, isBytes] = await Promise.all([
        viewsIn(schema, run),
        !isMysql && isRaw(asked, schema, run),
      ]);
      const without = [...views, ...Object.values(OWN_TABLES)];
      const ignored = without.map((name) => `--ignore-table=${schema}.${name}`);
      const args = ["--skip-triggers", ...ignored, schema];
      yield* isBytes ? dumpRaw(dump, schema, args, run) : dump(run, ...args);
    },

    dumpObjects: (schema, run) => dumpObjects({ query, viewsIn, dump }, schema, run),

    async *dumpEvents(schema, run) {
      const nothing = ["--no-data", "--no-create-info", "--skip-triggers"];
      yield* dump(run, ...nothing, "--events", schema);
    },

    async toolVersion(run) {
      const said = await tools.ask([await programs.dumpName(run), "--version"], undefined, run);
      return /Distrib ([^,\s]+)/.exec(said)?.[1] ?? /Ver ([\d.]+)/.exec(said)?.[1] ?? said;
    },

    dumpUsers: (run) => dump(run, "--system=users"),

    async load(schema, source, run) {
      await tools.write(await programs.client(run, schema), source, run);
    },
  };
}

type Asking = Pick<MysqlServer, "query"> & {
  readonly viewsIn: (schema: string, run: Run) => Promise<string[]>;
  readonly dump: (run: Run, ...args: string[]) => AsyncGenerator<Buffer>;
};

async function* dumpObjects(
  { query, viewsIn, dump }: Asking,
  schema: string,
  run: Run,
): AsyncGenerator<Buffer> {
  const nothing = ["--no-data", "--no-create-info"];
  // Routines before the views that may use them, views before the triggers that may.
  yield* dump(run, ...nothing, "--routines", "--skip-triggers", schema);
  const views = await viewsIn(schema, run);
  const broken = await brokenViews(query, schema, views, run);
  const sound = views.filter((view) => !broken.includes(view));
  if (sound.length > 0) yield* dump(run, "--no-data", "--skip-triggers", schema, ...sound);
  yield* dump(run, ...nothing, "--triggers", "--add-drop-trigger", schema);
}

/** Those that cannot be dumped, since what they show is gone: they would stop the dump of all others. */
async function brokenViews(
  query: MysqlServer["query"],
  schema: string,
  views: readonly string[],
  run: Run,
): Promise<string[]> {
  const broken: string[] = [];
  for (const view of views) {
    const isSound = await query(`SHOW FIELDS FROM ${quoted(schema, view)}`, run).then(
      () => true,
      () => false,
    );
    run.signal.throwIfAborted();
    if (isSound) continue;
    broken.push(view);
    const message = `${schema}: view ${view} shows what is not there any more; it is left out`;
    run.report({ type: "warning", message });
  }
  return broken;
}

type Programs = {
  readonly client: (run: Run, ...args: string[]) => Promise<Command>;
  readonly dump: (run: Run, ...args: string[]) => Promise<Command>;
  readonly dumpName: (run: Run) => Promise<string>;
  /** Whether they are MySQL's, and not MariaDB's. */
  readonly isMysql: (run: Run) => Promise<boolean>;
};

/** A file in somebody's home must not change what these do. */
function openPrograms({ host, port, socket, user }: MysqlConnection, tools: Tools): Programs {
  const where = [
    `--user=${user}`,
    ...(host === undefined ? [] : [`--host=${host}`, "--protocol=tcp"]),
    ...(port === undefined ? [] : [`--port=${port}`]),
    ...(socket === undefined ? [] : [`--socket=${socket}`]),
    CHARACTERS,
    PACKET,
  ];
  const names = programNames(tools);
  return {
    dumpName: async (run) => (await names(run)).dump,
    isMysql: async (run) => (await names(run)).isMysql,
    client: async (run, ...args) => [(await names(run)).client, "--no-defaults", ...where, ...args],
    async dump(run, ...args) {
      const { dump, isMysql, buffered } = await names(run);
      // What it would set is the server's own business.
      const own = isMysql ? ["--set-gtid-purged=OFF", "--column-statistics=0"] : [];
      const program = [...buffered, dump] as unknown as Command;
      return [...program, "--no-defaults", ...where, ...DUMP, ...own, ...args];
    },
  };
}

const DUMP = [
  "--single-transaction",
  "--quick",
  "--hex-blob",
  "--skip-dump-date",
  "--no-tablespaces",
];

const tablesOf = (schema: string): string =>
  `SELECT table_name, IF(table_type = 'BASE TABLE', COALESCE(engine, ''), table_type) FROM information_schema.tables
   WHERE table_schema = ${text(schema)} AND table_type IN ('BASE TABLE', 'SEQUENCE', 'SYSTEM VERSIONED')
   ORDER BY table_name`;

const viewsOf = (schema: string): string =>
  `SELECT table_name FROM information_schema.views WHERE table_schema = ${text(schema)} ORDER BY table_name`;

type Names = {
  readonly client: string;
  readonly dump: string;
  readonly isMysql: boolean;
  /** It writes 4 KiB at a time. More at once costs less, but more than a pipe holds makes it wait for us. */
  readonly buffered: readonly string[];
};

const BUFFERED = ["stdbuf", "--output=64K"];

/** Found once: images have the one or the other. */
function programNames(tools: Tools): (run: Run) => Promise<Names> {
  let known: Names | undefined;
  return async (run) => {
    if (known !== undefined) return known;
    const [hasBuffer, hasMariadb] = await Promise.all([
      tools.has("stdbuf", run),
      tools.has("mariadb-dump", run),
    ]);
    const buffered = hasBuffer ? BUFFERED : [];
    if (hasMariadb) {
      return (known = { client: "mariadb", dump: "mariadb-dump", isMysql: false, buffered });
    }
    if (!(await tools.has("mysqldump", run))) {
      throw new AppError("UNAVAILABLE", "run mariadb-dump or mysqldump: neither can be run there", {
        hint: "Install the server's own client, or name the container that has it; see whether it runs.",
      });
    }
    const said = await tools.ask(["mysqldump", "--version"], undefined, run);
    return (known = {
      client: "mysql",
      dump: "mysqldump",
      isMysql: !/mariadb/i.test(said),
      buffered,
    });
  };
}
