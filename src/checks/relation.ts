import type { Run } from "../base/events.ts";
import { bad, type Check, type CheckResult, GOOD, unknown } from "./check.ts";

/** Rows of a database that say what another store has to have. */
export type RowsAsked = (run: Run) => Promise<readonly (readonly string[])[]>;

export type RelationConfig = {
  readonly rows: RowsAsked;
  readonly timeoutMs: number;
} & (
  | {
      /** Each row: a name, and where it is known the size in bytes. Of all that there is. */
      readonly sizes: (run: Run) => Promise<ReadonlyMap<string, number>>;
    }
  | {
      /** Each row: an index, a value of its field, and of how many documents. */
      readonly count: (index: string, value: string, run: Run) => Promise<number | undefined>;
    }
);

const TOLD_MAX = 3;

/**
 * Good when what rows of one store refer to is in another: each has its object, with its size; or as many
 * documents as it says. Looks at all of them, so it is asked once and not again and again.
 */
export function relationCheck(config: RelationConfig): Check {
  const { rows, timeoutMs } = config;
  return {
    isThorough: true,
    async ask(run) {
      const signal = AbortSignal.any([run.signal, AbortSignal.timeout(timeoutMs)]);
      const within: Run = { ...run, signal };
      try {
        const found = await rows(within);
        // Nothing checked is not good; an empty system is told apart by whoever reads the count.
        if (found.length === 0) return unknown("there are no rows");
        const problems =
          "sizes" in config
            ? missingObjects(found, await config.sizes(within))
            : await wrongCounts(found, config.count, within);
        return judged(found.length, problems);
      } catch (error) {
        run.signal.throwIfAborted();
        return unknown(signal.aborted ? "it takes too long" : (error as Error).message);
      }
    },
  };
}

function missingObjects(
  rows: readonly (readonly string[])[],
  sizes: ReadonlyMap<string, number>,
): string[] {
  return rows.flatMap(([name = "", size]) => {
    const found = sizes.get(name);
    if (found === undefined) return [`${name} is missing`];
    // As the programs of databases print what is not known.
    const isKnown = size !== undefined && size !== "" && size !== "NULL";
    const differs = isKnown && Number(size) !== found;
    return differs ? [`${name} has ${found} bytes, not ${size}`] : [];
  });
}

async function wrongCounts(
  rows: readonly (readonly string[])[],
  count: (index: string, value: string, run: Run) => Promise<number | undefined>,
  run: Run,
): Promise<string[]> {
  const problems: string[] = [];
  for (const [index = "", value = "", wanted] of rows) {
    const found = await count(index, value, run);
    if ((found ?? 0) === Number(wanted)) continue;
    problems.push(`${index} has ${found ?? "no"} documents of ${value}, not ${wanted}`);
  }
  return problems;
}

function judged(rows: number, problems: readonly string[]): CheckResult {
  if (problems.length === 0) return { ...GOOD, detail: `${rows} rows have what they refer to` };
  const more = problems.length > TOLD_MAX ? `, and ${problems.length - TOLD_MAX} more` : "";
  return bad(`of ${rows} rows: ${problems.slice(0, TOLD_MAX).join("; ")}${more}`);
}
