import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { mysqlServer, type MysqlServer } from "../src/stores/database/mysql-server.ts";
import {
  activate,
  contentOf,
  fill,
  isReady,
  schemaOf,
  settle,
  tryObjects,
} from "../src/stores/database/mysql-versions.ts";
import { toolsAt } from "../src/stores/database/tools.ts";
import { version } from "../src/slots/slot.ts";
import { hasMariadb, type Mariadb, startMariadb } from "./support/mariadb.ts";
import { skipWithout } from "./support/servers.ts";
import { quietRun } from "./support/temporary.ts";

// Goal: whatever statement of a switch is the last one before a crash, settling leaves the old database
// or the new one, whole; and going back works from there.

const skip = skipWithout(hasMariadb(), "mariadb-server");
const run = quietRun();
const DIED = "the machine died";

/** After so many calls it does nothing any more; the last one may have been done or not. */
function dying(server: MysqlServer, callsMax: number, isLastDone: boolean): MysqlServer {
  let calls = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    calls++;
    if (calls > callsMax || (calls === callsMax && !isLastDone)) throw new Error(DIED);
    const result = await work();
    if (calls === callsMax) throw new Error(DIED);
    return result;
  };
  return {
    ...server,
    query: (...args) => step(() => server.query(...args)),
    load: (...args) => step(() => server.load(...args)),
  };
}

suite("mysql: a crash in a switch", { skip, timeout: 600_000 }, () => {
  let real: Mariadb;
  let server: MysqlServer;
  before(async () => {
    real = await startMariadb();
    const tools = toolsAt({ container: undefined, dockerHost: undefined }, async () => ({
      MYSQL_PWD: real.password,
    }));
    const connection = { host: undefined, port: undefined, socket: real.socket, user: "root" };
    server = mysqlServer(connection, tools);
  });
  after(async () => await real[Symbol.asyncDispose]());

  const NEW = version("20260101T000000Z");
  const BEFORE = version("before-x");
  const REJECTED = version("rejected-x");

  /** What is live, in one line: rows, view, trigger, procedure. */
  const content = async (): Promise<string> => {
    const parts = await real.sql(
      `SELECT word FROM t;
       SELECT table_name FROM information_schema.views WHERE table_schema = 'shop';
       SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'shop';
       SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'shop' ORDER BY 1 DESC`,
      "shop",
    );
    return parts.replaceAll("\n", " ");
  };

  const make = async (schema: string, word: string): Promise<void> => {
    await real.sql(`DROP DATABASE IF EXISTS \`${schema}\`; CREATE DATABASE \`${schema}\``);
    await real.sql(
      `CREATE TABLE t (word TEXT); INSERT INTO t VALUES ('${word}');
       CREATE FUNCTION f_${word} () RETURNS INT DETERMINISTIC RETURN 1;
       CREATE VIEW v_${word} AS SELECT f_${word}() AS a, word FROM t;
       CREATE TRIGGER tr_${word} BEFORE DELETE ON t FOR EACH ROW SET @a = 1;
       CREATE PROCEDURE p_${word} () SELECT 1;`,
      schema,
    );
  };

  const prepare = async (): Promise<void> => {
    for (const name of (await real.sql("SHOW DATABASES LIKE 'shop%'"))
      .split("\n")
      .filter(Boolean)) {
      await real.sql(`DROP DATABASE \`${name}\``);
    }
    await make("other", "new");
    const made = {
      tables: server.dumpTables("other", run),
      objects: server.dumpObjects("other", run),
      events: server.dumpEvents("other", run),
    };
    await fill(server, "shop", schemaOf("shop", NEW), made, run);
    await make("shop", "old");
  };

  test("a copy of a version has all that it has, and is not ready before that", async () => {
    await prepare();
    const [from, copy] = [schemaOf("shop", NEW), schemaOf("shop", version("copy"))];
    const cut = {
      ...contentOf(server, from, run),
      async *tables(): AsyncGenerator<Buffer> {
        for await (const part of server.dumpTables(from, run)) {
          yield part.subarray(0, part.length / 2);
          throw new Error(DIED);
        }
      },
    };
    await assert.rejects(fill(server, "shop", copy, { ...cut, tables: cut.tables() }, run));
    assert(!(await isReady(server, copy, run)));
    await fill(server, "shop", copy, contentOf(server, from, run), run);
    assert(await isReady(server, copy, run));
    await activate(server, "shop", copy, schemaOf("shop", BEFORE), run);
    assert.equal(await content(), "new v_new tr_new p_new f_new");
    assert.equal(await real.sql("SELECT a FROM v_new", "shop"), "1");
    assert(await isReady(server, from, run), "the version itself is still there");
  });

  test("objects that cannot be made are found before, and are not in the way of going back", async () => {
    await prepare();
    const bad = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from("CREATE VIEW v AS SELECT no_such_function();\n");
    };
    const content1 = { ...contentOf(server, schemaOf("shop", NEW), run), objects: bad() };
    const other = schemaOf("shop", version("bad"));
    await fill(server, "shop", other, content1, run);
    await assert.rejects(tryObjects(server, other, run), /no_such_function/);
    await assert.rejects(activate(server, "shop", other, schemaOf("shop", BEFORE), run));
    await activate(server, "shop", schemaOf("shop", BEFORE), schemaOf("shop", REJECTED), run);
    assert.equal(await content(), "old v_old tr_old p_old f_old");
  });

  test("a view that shows nothing any more does not keep a restore away", async () => {
    await prepare();
    await real.sql(
      "CREATE TABLE gone (a INT); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone",
      "shop",
    );
    await activate(server, "shop", schemaOf("shop", NEW), schemaOf("shop", BEFORE), run);
    assert.equal(await content(), "new v_new tr_new p_new f_new");
  });

  test("settled, it is the old one or the new one; and it goes back", async (t) => {
    const [OLD_WORDS, NEW_WORDS] = ["old v_old tr_old p_old f_old", "new v_new tr_new p_new f_new"];
    const ends: Record<string, number> = {};
    const names = [NEW, BEFORE].map((one) => schemaOf("shop", one)) as [string, string];
    for (let calls = 1, isOver = false; !isOver; calls++) {
      for (const isLastDone of [false, true]) {
        await prepare();
        try {
          await activate(dying(server, calls, isLastDone), "shop", names[0], names[1], run);
          isOver = true;
        } catch (error) {
          assert.equal((error as Error).message, DIED);
        }
        await settle(server, "shop", run);
        const found = await content();
        assert([OLD_WORDS, NEW_WORDS].includes(found), `after ${calls} calls: ${found}`);
        ends[found.split(" ")[0]!] = (ends[found.split(" ")[0]!] ?? 0) + 1;
        await activate(server, "shop", names[1], schemaOf("shop", REJECTED), run);
        assert.equal(await content(), OLD_WORDS, `after ${calls} calls, gone back`);
      }
    }
    t.diagnostic(JSON.stringify(ends));
    assert(ends["old"]! > 3 && ends["new"]! > 3);
  });
});
