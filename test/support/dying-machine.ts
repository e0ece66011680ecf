import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { type Effects, realEffects } from "../../src/base/effects.ts";
import { Journal } from "../../src/journal/journal.ts";

// A machine that dies at a chosen moment. A moment passes before and after each change of a file and
// each write of the journal.

export type Tick = () => void;

class Death extends Error {}

/** A machine that dies when so many moments have passed; from then on nothing has an effect. */
export function machineDyingAt(moment: number): { tick: Tick; isDead: () => boolean } {
  let passed = 0;
  const isDead = (): boolean => passed >= moment;
  const tick = (): void => {
    passed++;
    if (isDead()) throw new Death(`died at moment ${moment}`);
  };
  return { tick, isDead };
}

export const alive: Tick = () => {};

/** The changes themselves, without syncing, with a moment before and after each. */
export function ticking(tick: Tick): Effects {
  const wrap =
    <A extends unknown[]>(act: (...args: A) => Promise<unknown>) =>
    async (...args: A): Promise<void> => {
      tick();
      await act(...args);
      tick();
    };
  return {
    rename: wrap(rename),
    syncTree: async () => {},
    pointLink: wrap(realEffects.pointLink),
    makeFolder: wrap((folder: string) => mkdir(folder, { recursive: true })),
    removeEmptyFolder: wrap(rmdir),
    removeTree: wrap((folder: string) => rm(folder, { recursive: true, force: true })),
  };
}

/** A journal with a moment before and after each write. */
export class TickingJournal extends Journal {
  #tick: Tick;
  constructor(file: string, tick: Tick) {
    super(file);
    this.#tick = tick;
  }
  #around(write: () => void): void {
    this.#tick();
    write();
    this.#tick();
  }
  override recordBegun(...args: Parameters<Journal["recordBegun"]>): void {
    this.#around(() => super.recordBegun(...args));
  }
  override recordBack(...args: Parameters<Journal["recordBack"]>): void {
    this.#around(() => super.recordBack(...args));
  }
  override finish(...args: Parameters<Journal["finish"]>): void {
    this.#around(() => super.finish(...args));
  }
}
