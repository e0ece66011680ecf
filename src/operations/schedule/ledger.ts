import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { nothingThere } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { System } from "../system.ts";
import type { Entry } from "./due.ts";

const ledger = z.record(
  z.string(),
  z.object({
    since: z.iso.datetime(),
    started: z.iso.datetime().optional(),
    succeeded: z.iso.datetime().optional(),
    error: z.string().optional(),
    failures: z.number().optional(),
    kept: z.iso.datetime().optional(),
    running: z.boolean().optional(),
  }),
);

export type Ledger = Readonly<Record<string, Entry>>;

const fileOf = ({ paths }: Pick<System, "paths">): string =>
  path.join(paths.state, "schedule.json");

/** What is known of all jobs; nothing where there is no file, or only half of one. */
export async function readLedger(system: Pick<System, "paths">): Promise<Ledger> {
  const text = await readFile(fileOf(system), "utf8").catch(nothingThere);
  if (text === undefined) return {};
  try {
    return ledger.parse(JSON.parse(text)) as Ledger;
  } catch {
    // Without it the jobs count from now on; the points themselves say what was done.
    return {};
  }
}

export async function writeLedger(system: Pick<System, "paths">, entries: Ledger): Promise<void> {
  const bytes = Buffer.from(`${JSON.stringify(entries, undefined, 1)}\n`);
  await writeFileDurable(fileOf(system), bytes, "replace");
}
