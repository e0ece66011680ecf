import { AppError } from "../base/errors.ts";
import type { Effects } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import type { Reader } from "../repository/repository.ts";
import {
  discardVersion,
  finishStaging,
  isReady,
  readyFolder,
  stagingFolder,
  switchVersions,
} from "../slots/place.ts";
import type { Slot, Version } from "../slots/slot.ts";
import type { Facts, Store } from "./store.ts";

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

/** The slot of a store whose data are files: versions are staged beside and switched by rename. */
export function storeSlot(store: Store, source: Source, effects: Effects): Slot {
  return {
    async stage(version, run) {
      const place = await store.place();
      if (await isReady(place, version)) return;
      const folder = stagingFolder(place, version);
      await effects.removeTree(folder);
      await effects.makeFolder(folder);
      await source.read(version, store.name, run, (reader, at, inner) =>
        store.materialise(reader, at, folder, inner),
      );
      await effects.syncTree(folder, run);
      await finishStaging(place, version, effects);
    },

    async verify(version, run) {
      const place = await store.place();
      if (!(await isReady(place, version))) {
        throw new AppError("NOT_FOUND", `verify ${store.name} ${version}: it is not there`);
      }
      // What an operation displaced is what was live, sound or not: undo puts back exactly that.
      if (version.startsWith("before-")) return;
      const facts = await source.facts(version, store.name, run);
      const problems = await store.validate(readyFolder(place, version), facts, run);
      if (problems.length === 0) return;
      throw new AppError("UNHEALTHY", `verify ${store.name} ${version}: ${problems.join(", ")}`, {
        hint: "Choose another point: lastgood points",
      });
    },

    activate: async (version, displaced) =>
      await switchVersions(await store.place(), version, displaced, effects),

    discard: async (version) => await discardVersion(await store.place(), version, effects),
  };
}
