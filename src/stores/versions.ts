import { AppError } from "../base/errors.ts";
import { type Effects, namesIn } from "../base/effects.ts";
import {
  discardVersion,
  finishStaging,
  isReady,
  readyFolder,
  settle,
  stagingFolder,
  switchVersions,
} from "../slots/place.ts";
import { copyVersion, saveLive } from "./save-live.ts";
import { type FileStore, isFileStore, type Store, type StoreVersions } from "./store.ts";

/** The acts on a store's versions, of whatever kind it is. */
export function versionsOf(store: Store, effects: Effects): StoreVersions {
  return isFileStore(store) ? fileVersions(store, effects) : store.versions;
}

/** Of a store whose data are files: versions are staged beside and switched by rename. */
function fileVersions(store: FileStore, effects: Effects): StoreVersions {
  return {
    isReady: async (version) => await isReady(await store.place(), version),

    async readyAmong(versions) {
      const names = new Set(await namesIn((await store.place()).versionsFolder));
      return new Set(versions.filter((version) => names.has(`=${version}`)));
    },

    async stage(version, from, at, run) {
      const place = await store.place();
      const folder = stagingFolder(place, version);
      await effects.removeTree(folder);
      await effects.makeFolder(folder);
      await store.materialise(from, at, folder, run);
      await effects.syncTree(folder, run);
      await finishStaging(place, version, effects);
    },

    async problemsOf(version, facts, run) {
      const place = await store.place();
      if (!(await isReady(place, version))) {
        throw new AppError("NOT_FOUND", `verify ${store.name} ${version}: it is not there`);
      }
      return await store.validate(readyFolder(place, version), facts, run);
    },

    activate: async (version, displaced) =>
      await switchVersions(await store.place(), version, displaced, effects),
    discard: async (version) => await discardVersion(await store.place(), version, effects),
    save: (version, run) => saveLive(store, version, effects, run),
    copy: (from, version, run) => copyVersion(store, from, version, effects, run),
    settle: async () => await settle(await store.place(), effects),
  };
}
