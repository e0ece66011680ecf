import { DatabaseSync } from "node:sqlite";
import { bad, type Check, GOOD, unknown } from "./check.ts";
import { type Expectation, problemOf } from "./expectation.ts";

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
