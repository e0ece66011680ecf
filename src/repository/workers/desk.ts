import { type Hot, type HotMemory, layTables, openHot } from "../crypto/hot.ts";
import type { MasterKey } from "../crypto/master-key.ts";
import { createSealer, DESK_FROM, type Sealer } from "../crypto/sealer.ts";
import { createZstd, type Zstd } from "../crypto/zstd.ts";
import { createStrongbox, type Strongbox } from "../crypto/strongbox.ts";
import type { Polynomial } from "../format/polynomial.ts";

/**
 * A worker's memory: what is read lies at its start, what is sealed behind it. It grows to the
 * largest job so far and is used again for every job, so that nothing large is left to collect.
 */
export type Desk = {
  readonly hot: Hot;
  readonly memory: HotMemory;
  readonly sealer: Sealer;
  readonly box: Strongbox;
  readonly zstd: Zstd;
  /** Where plain bytes may lie. */
  readonly plainFrom: number;
  /** Says how far the plain bytes of this job reach. */
  setPlainEnd(end: number): void;
  /** Where sealed bytes may lie. */
  batchAt(): number;
};

const ALIGNMENT = 64;

export function createDesk(key: MasterKey, polynomial: Polynomial): Desk {
  const { hot, memory } = openHot();
  const sealer = createSealer(hot, memory, key);
  layTables(hot, memory, polynomial);
  let plainEnd = DESK_FROM;
  return {
    hot,
    memory,
    sealer,
    box: createStrongbox(key),
    zstd: createZstd(),
    plainFrom: DESK_FROM,
    setPlainEnd: (end) => void (plainEnd = end),
    batchAt: () => Math.ceil(plainEnd / ALIGNMENT) * ALIGNMENT,
  };
}
