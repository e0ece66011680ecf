import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { inParallel } from "../../base/in-parallel.ts";
import type { Reader } from "../../repository/repository.ts";
import type { Version } from "../../slots/slot.ts";
import { errorWord, type StoreVersions } from "../store.ts";
import type { Listed } from "./buckets.ts";
import {
  type Context,
  isNoBucket,
  listAside,
  listLive,
  readList,
  sideKey,
  writeList,
} from "./lists.ts";
import { type Entry, idOf, MANIFEST, readEntries } from "./manifest.ts";

// Versions of buckets. What of a version differs from what is live lies aside in the same bucket, below
// a prefix of ours; a list of all its objects lies on this machine and makes it ready. Objects change
// one by one, in place: each step can be repeated, and after a crash it is.

const AT_ONCE = 16;

export function bucketVersions(context: Context): StoreVersions {
  const { files } = context;
  return {
    isReady: files.isReady,
    readyAmong: files.readyAmong,
    stage: (version, from, at, run) => stage(context, version, from, at, run),
    problemsOf: (version, _facts, run) => problemsOf(context, version, run),
    activate: (version, displaced, run) => activate(context, version, displaced, run),
    discard: (version, run) => discard(context, version, run),
    async save(version, run) {
      if (await context.files.isReady(version)) return;
      const live = [...(await listLive(context, run)).values()];
      await keepAside(context, version, live, () => true, run);
    },
    copy: (from, version, run) => copyVersion(context, from, version, run),
    settle: async () => {},
  };
}

async function stage(
  context: Context,
  version: Version,
  from: Reader,
  at: string,
  run: Run,
): Promise<void> {
  const buckets = await context.open();
  const entries = await Array.fromAsync(readEntries(from.stream(`${at}/${MANIFEST}`)));
  const live = await listLive(context, run, entries);
  const there = new Set(await buckets.names(run));
  for (const bucket of new Set(entries.map((entry) => entry.bucket))) {
    if (!there.has(bucket)) await buckets.make(bucket, run);
  }
  const staged: Entry[] = [];
  await inParallel(entries, AT_ONCE, async (entry) => {
    const { bucket, key, size, etag, metadata = {} } = entry;
    const now = live.get(idOf(entry));
    const isSame = now?.etag === etag && now.size === size;
    if (!isSame) {
      const place = { bucket, key: sideKey(version, key) };
      await buckets.put(place, from.stream(`${at}/${entry.name}`), size, metadata, run);
    }
    staged.push({ ...entry, aside: !isSame });
  });
  await writeList(context, version, staged);
}

/** What is missing of a version: it has to lie aside, or to be live. */
async function problemsOf(context: Context, version: Version, run: Run): Promise<string[]> {
  const entries = await readList(context, version);
  const missing = (await missingOf(context, version, entries, run)).length;
  return missing === 0 ? [] : [errorWord(context.name, `lacks_${missing}_objects`)];
}

async function missingOf(
  context: Context,
  version: Version,
  entries: readonly Entry[],
  run: Run,
): Promise<Entry[]> {
  const live = await listLive(context, run, entries);
  const aside = await listAside(context, version, entries, run);
  return entries.filter((entry) => {
    const found = entry.aside === true ? aside.get(idOf(entry)) : live.get(idOf(entry));
    // What was put in parts has another ETag when it was copied.
    return found?.size !== entry.size || (entry.aside !== true && found.etag !== entry.etag);
  });
}

/** Copies of those objects that are wanted, and the list of all of them. */
async function keepAside(
  context: Context,
  version: Version,
  objects: readonly Listed[],
  isWanted: (object: Listed) => boolean,
  run: Run,
): Promise<void> {
  const buckets = await context.open();
  const entries: Entry[] = [];
  await inParallel(objects, AT_ONCE, async (object) => {
    const { bucket, key, size, etag } = object;
    const aside = isWanted(object);
    if (aside) await buckets.copy(object, { bucket, key: sideKey(version, key) }, run);
    entries.push({ bucket, key, size, etag, aside });
  });
  await writeList(context, version, entries);
}

async function activate(
  context: Context,
  version: Version,
  displaced: Version,
  run: Run,
): Promise<void> {
  if (!(await context.files.isReady(version))) return;
  const buckets = await context.open();
  const entries = await readList(context, version);
  const wanted = new Map(entries.map((entry) => [idOf(entry), entry]));
  const live = await listLive(context, run, entries);
  const stays = (object: Listed): boolean => {
    const entry = wanted.get(idOf(object));
    return entry !== undefined && entry.aside !== true;
  };
  const lost = entries.filter((entry) => {
    const now = live.get(idOf(entry));
    return entry.aside !== true && (now?.etag !== entry.etag || now.size !== entry.size);
  });
  refuseLost(context.name, version, lost, run);
  if (!(await context.files.isReady(displaced))) {
    await keepAside(context, displaced, [...live.values()], (object) => !stays(object), run);
  }
  const aside = entries.filter((entry) => entry.aside === true);
  await inParallel(aside, AT_ONCE, async ({ bucket, key }) => {
    await buckets.copy({ bucket, key: sideKey(version, key) }, { bucket, key }, run);
  });
  const extra = [...live.values()].filter((object) => !wanted.has(idOf(object)));
  for (const bucket of new Set(extra.map((object) => object.bucket))) {
    const keys = extra.filter((object) => object.bucket === bucket).map(({ key }) => key);
    await buckets.remove(bucket, keys, run);
  }
  // Until all of it is live it stays: after a crash all of this is done again.
  await discard(context, version, run);
}

/**
 * They were as they should be when the version was made ready, so they were not copied, and somebody
 * changed them since. UNHEALTHY; of what was live before they stay, with a word.
 */
function refuseLost(name: string, version: Version, lost: readonly Entry[], run: Run): void {
  const [first] = lost;
  if (first === undefined) return;
  const what = `${lost.length} objects were changed meanwhile, such as ${idOf(first)}`;
  if (version.startsWith("before-")) {
    return run.report({ type: "warning", message: `${name}: ${what}; they stay` });
  }
  throw new AppError("UNHEALTHY", `switch ${name}: ${what}`, {
    hint: "Stop whoever writes there first (lastgood stop), then try again.",
  });
}

async function copyVersion(
  context: Context,
  from: Version,
  version: Version,
  run: Run,
): Promise<void> {
  if (await context.files.isReady(version)) return;
  if (!(await context.files.isReady(from))) {
    throw new AppError("NOT_FOUND", `copy ${context.name} ${from}: it is not there any more`);
  }
  const buckets = await context.open();
  const entries = await readList(context, from);
  await inParallel(
    entries.filter(({ aside }) => aside === true),
    AT_ONCE,
    async ({ bucket, key }) =>
      await buckets.copy(
        { bucket, key: sideKey(from, key) },
        { bucket, key: sideKey(version, key) },
        run,
      ),
  );
  await writeList(context, version, entries);
}

/** The list goes first: a version that is not whole is not ready. */
async function discard(context: Context, version: Version, run: Run): Promise<void> {
  const { config, files, open } = context;
  const listed = (await context.files.isReady(version)) ? await readList(context, version) : [];
  await files.remove(version);
  const buckets = await open();
  const named = "match" in config.buckets ? [] : config.buckets;
  for (const bucket of new Set([...named, ...listed.map((entry) => entry.bucket)])) {
    try {
      const keys: string[] = [];
      for await (const { key } of buckets.list(bucket, sideKey(version, ""), run)) keys.push(key);
      if (keys.length > 0) await buckets.remove(bucket, keys, run);
    } catch (error) {
      if (!isNoBucket(error)) throw error;
    }
  }
}
