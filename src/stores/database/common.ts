import { hash } from "node:crypto";
import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Schema } from "../schema.ts";
import { describeRows } from "../sqlite.ts";
import { errorWord } from "../store.ts";

// What the stores of database servers have in common.

export type Rows = Readonly<Record<string, number>>;

/** Whether it is the server that failed, or its programs: the other stores go on. */
export function isServers(error: unknown): boolean {
  return hasCode(error, "SOURCE_FAILED") || hasCode(error, "UNAVAILABLE");
}

/** Has a reader see what goes by. */
export async function* watched(
  source: AsyncIterable<Uint8Array>,
  reader: { feed(bytes: Uint8Array): void },
): AsyncGenerator<Uint8Array> {
  for await (const part of source) {
    reader.feed(part);
    yield part;
  }
}

/** What would be lost, for people: a server that does not answer is no reason not to go on. */
export async function describeLoss(
  count: () => Promise<Rows>,
  then: Rows,
  run: Run,
): Promise<readonly string[]> {
  try {
    const lines = describeRows(await count(), then);
    const none = "as many rows in each table as then; what stands in them was not compared";
    return lines.length > 0 ? lines : [none];
  } catch (error) {
    run.signal.throwIfAborted();
    return [`unknown: ${(error as Error).message}`];
  }
}

/** What is wrong with rows that were counted again; empty: they are as many as they were. */
export function rowProblems(store: string, found: Rows, expected: Rows = {}): string[] {
  const isSame = Object.entries(expected).every(([table, count]) => found[table] === count);
  return isSame ? [] : [errorWord(store, "row_counts_differ")];
}

/** A schema by the columns of its tables, and by the list of migrations where there is one. */
export function schemaFrom(
  columns: readonly string[][],
  migrations: readonly string[] | undefined,
): Schema {
  const shape = fingerprintOf(columns);
  if (migrations === undefined) return { fingerprint: shape };
  return { fingerprint: fingerprintOf(migrations), migrations, shape };
}

function fingerprintOf(value: unknown): string {
  return hash("sha256", JSON.stringify(value)).slice(0, 16);
}
