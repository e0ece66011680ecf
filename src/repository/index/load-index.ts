import type { Run } from "../../base/events.ts";
import { FILES_AT_ONCE } from "../files.ts";
import type { IndexedPack } from "../format/index-file.ts";
import type { Core } from "../core.ts";
import { decodeIndex } from "../format/index-file.ts";
import { inParallel } from "../../base/in-parallel.ts";
import { type BlobIndex, createBlobIndex } from "./blob-index.ts";

/**
 * Reads all index files, but of packs that `isWanted` refuses nothing. Snapshots must be listed
 * before, so that all they need is in it.
 */
export async function loadIndex(
  core: Core,
  run: Run,
  isWanted: (pack: IndexedPack) => boolean = () => true,
): Promise<BlobIndex> {
  const index = createBlobIndex();
  const ids = await core.files.ids("index", run);
  await addIndexFiles(core, ids, index, run, isWanted);
  return index;
}

/** Adds what these files say. */
export async function addIndexFiles(
  core: Core,
  ids: Iterable<string>,
  index: BlobIndex,
  run: Run,
  isWanted: (pack: IndexedPack) => boolean = () => true,
): Promise<void> {
  await inParallel(ids, FILES_AT_ONCE, async (id) => {
    const json = await core.files.load("index", id, run);
    for (const pack of decodeIndex(json, `index ${id.slice(0, 8)}`)) {
      if (!isWanted(pack)) continue;
      for (const blob of pack.blobs) index.add(pack.id, blob);
    }
  });
}
