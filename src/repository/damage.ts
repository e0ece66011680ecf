/**
 * Remembers which packs were read and are damaged: their sizes do not show it, and no backup reads what
 * is there already. So that none builds on them, what lies in them is stored again.
 */
export type DamageLedger = {
  known(): Promise<ReadonlySet<string>>;
  /** Never fails: what was found has to be told, even where it cannot be remembered. */
  found(packId: string): Promise<void>;
  /** The pack is sound again, or gone. */
  forget(packId: string): Promise<void>;
};

/** For as long as the repository is open. */
export const damageInMemory = (): DamageLedger => {
  const packs = new Set<string>();
  return {
    known: async () => new Set(packs),
    found: async (packId) => void packs.add(packId),
    forget: async (packId) => void packs.delete(packId),
  };
};
