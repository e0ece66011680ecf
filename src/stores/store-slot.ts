import { AppError } from "../base/errors.ts";
import type { Effects } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import type { Reader } from "../repository/repository.ts";
import type { Slot, Version } from "../slots/slot.ts";
import type { Facts, Store } from "./store.ts";
import { versionsOf } from "./versions.ts";

/** Where a store's versions come from: the recovery points of a repository. */
export type Source = {
  /** NOT_FOUND when the point has nothing of this store. */
  read<T>(
    stamp: Version,
    store: string,
    run: Run,
    work: (reader: Reader, at: string, run: Run) => Promise<T>,
  ): Promise<T>;
  facts(stamp: Version, store: string, run: Run): Promise<Facts | undefined>;
};

/** The slot of a store, whose versions come out of recovery points. */
export function storeSlot(store: Store, source: Source, effects: Effects): Slot {
  const versions = versionsOf(store, effects);
  return {
    async stage(version, run) {
      if (await versions.isReady(version, run)) return;
      await source.read(version, store.name, run, (reader, at, inner) =>
        versions.stage(version, reader, at, inner),
      );
    },

    async verify(version, run) {
      // What an operation displaced is what was live, sound or not: undo puts back exactly that.
      const isDisplaced = version.startsWith("before-");
      if (isDisplaced && (await versions.isReady(version, run))) return;
      const facts = await source.facts(version, store.name, run);
      const problems = await versions.problemsOf(version, facts, run);
      if (problems.length === 0) return;
      throw new AppError("UNHEALTHY", `verify ${store.name} ${version}: ${problems.join(", ")}`, {
        hint: "Choose another point: lastgood points",
      });
    },

    activate: versions.activate,
    discard: versions.discard,
  };
}
