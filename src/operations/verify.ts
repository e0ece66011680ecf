import { mkdirSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { isReadOnly } from "../base/fs.ts";
import { openDatabase } from "../journal/open-database.ts";
import { together } from "../base/together.ts";
import type { Run } from "../base/events.ts";
import type { CheckOptions, CheckReport } from "../repository/repository.ts";
import { openCopy, placeOfCopy } from "./copy.ts";
import { hintToForget } from "./points/damaged.ts";
import { recorded } from "./record.ts";
import type { System } from "./system.ts";

export type VerifyOptions = {
  /** `nextOf: t`: of t parts the one that was not read for longest. */
  readonly readData:
    | Exclude<CheckOptions["readData"], { readonly choose: unknown }>
    | { readonly nextOf: number };
  /** First makes the index anew from the packs, for when index files are lost or damaged. */
  readonly repairIndex?: boolean | undefined;
  /** One of the configuration's copies; undefined: the repository itself. */
  readonly copy?: string | undefined;
};

/** Verifies a repository, and remembers of each pack when it was last read. */
export async function verify(
  system: System,
  { readData, repairIndex = false, copy }: VerifyOptions,
  reason: string,
  run: Run,
): Promise<CheckReport> {
  // A name that was mistyped is no failure of the system.
  if (copy !== undefined) placeOfCopy(system, copy);
  return await recorded(
    system,
    "check",
    reason,
    run,
    async () => {
      const opened = copy === undefined ? system.repository(run) : openCopy(system, copy, run);
      const repository = await opened;
      if (repairIndex) await repository.repairIndex(run);
      const isNext = typeof readData === "object" && "nextOf" in readData;
      const { state } = system.paths;
      // What nobody can write down is only of use for whose turn it is.
      using ledger =
        isReadOnly(state) && !isNext
          ? undefined
          : new PackLedger(path.join(state, "verified.db"), copy ?? "");
      const now = system.host.clock.now().toISOString();
      const sound: string[] = [];
      const report = await repository.check(
        {
          readData: isNext
            ? { choose: (bytes) => ledger!.longestAgo(bytes, readData.nextOf, now) }
            : readData,
          isIndexNew: repairIndex,
          onSound: (packId) => void sound.push(packId),
        },
        run,
      );
      ledger?.readAt(sound, now);
      const lost = copy === undefined ? await repository.damagedSnapshots(run) : new Map();
      const hints = [...report.hints, ...[...lost.keys()].map(hintToForget)];
      const value = { ...report, hints };
      const [first] = value.errors;
      return { value, error: first && `${value.errors.length} errors: ${first}` };
    },
    { of: [copy ?? "repository"], depth: depthOf(readData) },
  );
}

/** What was found by reading is only over once as much was read. */
function depthOf(readData: VerifyOptions["readData"]): number {
  if (readData === "none") return 0;
  if (readData === "all") return 3;
  // What was not found sound is read first the next time.
  return "nextOf" in readData ? 2 : 1;
}

/** Of each pack, when it was last read and found sound. */
class PackLedger implements Disposable {
  readonly #database: DatabaseSync;
  readonly #place: string;

  constructor(file: string, place: string) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#place = place;
    this.#database = openDatabase(file).database;
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS packs_v1 (
        place TEXT NOT NULL,
        pack TEXT NOT NULL,
        read_at TEXT NOT NULL,
        PRIMARY KEY (place, pack)
      ) STRICT, WITHOUT ROWID;
    `);
  }

  /**
   * A part of so many, by bytes: of those that were read the ones longest ago, and of those that never were,
   * so that neither keeps the other waiting. Forgets packs that are gone.
   */
  longestAgo(bytes: ReadonlyMap<string, number>, parts: number, now: string): ReadonlySet<string> {
    const rows = this.#database
      .prepare("SELECT pack, read_at FROM packs_v1 WHERE place = ?")
      .all(this.#place) as { pack: string; read_at: string }[];
    const remove = this.#database.prepare("DELETE FROM packs_v1 WHERE place = ? AND pack = ?");
    for (const { pack } of rows) if (!bytes.has(pack)) remove.run(this.#place, pack);
    // What a clock that was ahead has written down was never read.
    const readAt = new Map(
      rows.filter(({ read_at: at }) => at <= now).map(({ pack, read_at: at }) => [pack, at]),
    );
    const known = [...bytes].filter(([pack]) => readAt.has(pack));
    const inOrder = known.toSorted(([a], [b]) => (readAt.get(a)! < readAt.get(b)! ? -1 : 1));
    const fresh = [...bytes].filter(([pack]) => !readAt.has(pack));
    return new Set([
      ...firstOf(inOrder, sum(inOrder) / parts),
      ...firstOf(fresh, sum([...bytes]) / parts),
    ]);
  }

  readAt(packs: readonly string[], at: string): void {
    const put = this.#database.prepare("INSERT OR REPLACE INTO packs_v1 VALUES (?, ?, ?)");
    together(this.#database, () => {
      for (const pack of packs) put.run(this.#place, pack, at);
    });
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

type Sized = readonly [pack: string, bytes: number];

const sum = (packs: readonly Sized[]): number => packs.reduce((all, [, bytes]) => all + bytes, 0);

function firstOf(packs: readonly Sized[], bytes: number): string[] {
  let left = bytes;
  const chosen: string[] = [];
  for (const [pack, size] of packs) {
    if (left <= 0) break;
    chosen.push(pack);
    left -= size;
  }
  return chosen;
}
