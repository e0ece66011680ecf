import type { Run } from "../../base/events.ts";
import { unlessAborted } from "../../base/unless-aborted.ts";
import type { Core } from "../core.ts";
import { type BlobIndex, createBlobIndex } from "./blob-index.ts";
import { addIndexFiles } from "./load-index.ts";

/** Whoever asks no more for so long needs its memory more than the time to load it. */
const KEPT_MS = 30_000;

/** What index files say, and which. */
type Loaded = { readonly index: BlobIndex; readonly ids: ReadonlySet<string> };

/**
 * The index for readers: those that follow each other share it, and load only what was added since. An
 * index file that has gone since was replaced, and its packs may have gone too: then all is loaded anew.
 */
export function sharedIndex(core: Core): (run: Run) => Promise<BlobIndex> {
  let last: Promise<Loaded | undefined> = Promise.resolve(undefined);
  let timer: NodeJS.Timeout | undefined;
  const forget = (): void => {
    last = Promise.resolve(undefined);
  };
  return async (run) => {
    const mine = unlessAborted(last, run.signal).then((loaded) => bringUpToDate(core, loaded, run));
    // Who comes next must not fail for what I was denied, and what is half loaded is not to be used.
    last = mine.catch(() => undefined);
    clearTimeout(timer);
    try {
      return (await mine).index;
    } finally {
      clearTimeout(timer);
      timer = setTimeout(forget, KEPT_MS).unref();
    }
  };
}

async function bringUpToDate(core: Core, loaded: Loaded | undefined, run: Run): Promise<Loaded> {
  const ids = new Set(await core.files.ids("index", run));
  const isStill = loaded !== undefined && loaded.ids.isSubsetOf(ids);
  const index = isStill ? loaded.index : createBlobIndex();
  const missing = isStill ? ids.difference(loaded.ids) : ids;
  await addIndexFiles(core, missing, index, run);
  return { index, ids };
}
