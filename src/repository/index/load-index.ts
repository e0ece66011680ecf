import type { Run } from "../../base/events.ts";
import { FILES_AT_ONCE } from "../files.ts";
import type { IndexedPack } from "../format/index-file.ts";
import type { Core } from "../core.ts";
import { decodeIndex } from "../format/index-file.ts";
import { inParallel } from "../../base/in-parallel.ts";
import { packBytes } from "../format/pack-header.ts";
import { type BlobIndex, createBlobIndex } from "./blob-index.ts";
import { listPacks } from "./list-packs.ts";

/** Reads all index files. Snapshots must be listed before, so that all they need is in it. */
export async function loadIndex(core: Core, run: Run): Promise<BlobIndex> {
  const index = createBlobIndex();
  await addIndexFiles(core, await core.files.ids("index", run), index, run);
  return index;
}

/**
 * For who adds to a repository: what lies in packs that are missing, cut off or known to be damaged counts as
 * not there, so that it is stored again, and whoever needed it has it back. That is told as a warning.
 */
export async function loadUsableIndex(
  core: Core,
  run: Run,
): Promise<{ readonly index: BlobIndex; readonly isWhole: boolean }> {
  const damaged = await core.damage.known();
  const { index, unusable, sizes } = await loadIndexAndPacks(core, run, damaged);
  for (const id of damaged) if (!sizes.has(id)) await core.damage.forget(id);
  if (unusable.size > 0) {
    const packs = unusable.size === 1 ? "1 pack" : `${unusable.size} packs`;
    const are = unusable.size === 1 ? "is" : "are";
    const message =
      `${core.backend.label}: ${packs} that its index names ${are} missing, cut off or damaged. ` +
      "What is still there of the data is stored again; lastgood check says what older points have lost.";
    run.report({ type: "warning", message });
  }
  return { index, isWhole: unusable.size === 0 };
}

/**
 * The index of what lies in packs that are there and whole, and how its packs and those that are there differ.
 * `damaged` are not whole, whatever their size.
 */
export async function loadIndexAndPacks(
  core: Core,
  run: Run,
  damaged: ReadonlySet<string> = new Set(),
): Promise<{
  readonly index: BlobIndex;
  /** Of the packs that are there, in bytes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** The packs that index files name. */
  readonly named: ReadonlySet<string>;
  /** Those of them that are missing, cut off or damaged. */
  readonly unusable: ReadonlySet<string>;
}> {
  const index = createBlobIndex();
  const ids = await core.files.ids("index", run);
  // Listed after the index files: a pack is there before the one that names it.
  const sizes = await listPacks(core, run);
  const named = new Set<string>();
  const unusable = new Set<string>();
  await addIndexFiles(core, ids, index, run, ({ id, blobs }) => {
    named.add(id);
    const isUsable = sizes.get(id) === packBytes(blobs) && !damaged.has(id);
    if (!isUsable) unusable.add(id);
    return isUsable;
  });
  return { index, sizes, named, unusable };
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
