import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Run } from "../base/events.ts";
import type { CheckOptions, CheckReport } from "../repository/repository.ts";
import { openCopy } from "./copy.ts";
import { recorded } from "./record.ts";
import type { System } from "./system.ts";

export type VerifyOptions = {
  /** `nextOf: t`: of t parts the one that was not read for longest. */
  readonly readData:
    | Exclude<CheckOptions["readData"], { readonly choose: unknown }>
    | { readonly nextOf: number };
  /** One of the configuration's copies; undefined: the repository itself. */
  readonly copy?: string | undefined;
};

/** Verifies a repository, and remembers of each pack when it was last read. */
export async function verify(
  system: System,
  { readData, copy }: VerifyOptions,
  reason: string,
  run: Run,
): Promise<CheckReport> {
  return await recorded(system, "check", reason, run, async () => {
    const opened = copy === undefined ? system.repository(run) : openCopy(system, copy, run);
    const repository = await opened;
    using ledger = new PackLedger(path.join(system.paths.state, "verified.db"), copy ?? "");
    const isNext = typeof readData === "object" && "nextOf" in readData;
    const now = system.host.clock.now().toISOString();
    const sound: string[] = [];
    const value = await repository.check(
      {
        readData: isNext
          ? { choose: (bytes) => ledger.longestAgo(bytes, readData.nextOf) }
          : readData,
        onSound: (packId) => void sound.push(packId),
      },
      run,
    );
    ledger.readAt(sound, now);
    const [first] = value.errors;
    return { value, error: first && `${value.errors.length} errors: ${first}` };
  });
}

/** Of each pack, when it was last read and found sound. */
class PackLedger implements Disposable {
  readonly #database: DatabaseSync;
  readonly #place: string;

  constructor(file: string, place: string) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#place = place;
    this.#database = new DatabaseSync(file, { timeout: 5000 });
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS packs_v1 (
        place TEXT NOT NULL,
        pack TEXT NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (place, pack)
      ) STRICT, WITHOUT ROWID;
    `);
  }

  /** A part of so many, by bytes; those never read first. Forgets packs that are gone. */
  longestAgo(bytes: ReadonlyMap<string, number>, parts: number): ReadonlySet<string> {
    const rows = this.#database
      .prepare("SELECT pack, read_at FROM packs_v1 WHERE place = ?")
      .all(this.#place) as { pack: string; read_at: string }[];
    const remove = this.#database.prepare("DELETE FROM packs_v1 WHERE place = ? AND pack = ?");
    for (const { pack } of rows) if (!bytes.has(pack)) remove.run(this.#place, pack);
    const readAt = new Map(rows.map(({ pack, read_at: at }) => [pack, at]));
    const inOrder = [...bytes].toSorted(([a], [b]) => {
      const [first, second] = [readAt.get(a) ?? "", readAt.get(b) ?? ""];
      return first < second ? -1 : Number(first > second);
    });
    let left = inOrder.reduce((sum, [, size]) => sum + size, 0) / parts;
    const chosen = new Set<string>();
    for (const [pack, size] of inOrder) {
      if (left <= 0) break;
      chosen.add(pack);
      left -= size;
    }
    return chosen;
  }

  readAt(packs: readonly string[], at: string): void {
    const put = this.#database.prepare("INSERT OR REPLACE INTO packs_v1 VALUES (?, ?, ?)");
    this.#database.exec("BEGIN IMMEDIATE");
    for (const pack of packs) put.run(this.#place, pack, at);
    this.#database.exec("COMMIT");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
