import { DatabaseSync } from "node:sqlite";
import type { Run } from "../base/events.ts";
import { bad, type Check, GOOD, unknown } from "./check.ts";
import { type Expectation, problemOf } from "./expectation.ts";

/** The same of a database that a server has, whose answers are texts. */
export function rowsCheck(
  rows: (run: Run) => Promise<readonly (readonly string[])[]>,
  expectation: Expectation,
): Check {
  return {
    async ask(run) {
      try {
        const [[value] = []] = await rows(run);
        if (value === undefined) return unknown("the query found no row");
        const isNumber = /^-?\d+(\.\d+)?$/.test(value);
        const problem = problemOf(isNumber ? Number(value) : value, expectation);
        return problem === undefined ? GOOD : bad(`it is ${value}, ${problem}`);
      } catch (error) {
        run.signal.throwIfAborted();
        return bad((error as Error).message);
      }
    },
  };
}

/** Good when the first column of the query's first row is as expected; it only reads. */
export function sqlCheck(
  file: string,
  query: string,
  expectation: Expectation,
  timeoutMs: number,
): Check {
  return {
    async ask() {
      try {
        using database = new DatabaseSync(file, { readOnly: true, timeout: timeoutMs });
        const row = database.prepare(query).get();
        if (row === undefined) return unknown("the query found no row");
        const [value] = Object.values(row);
        const problem = problemOf(value, expectation);
        return problem === undefined ? GOOD : bad(`it is ${String(value)}, ${problem}`);
      } catch (error) {
        return bad((error as Error).message);
      }
    },
  };
}
