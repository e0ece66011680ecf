import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { nothingThere } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Version } from "../../slots/slot.ts";
import { isSameSchema, type Schema } from "../../stores/schema.ts";
import { isFileStore } from "../../stores/store.ts";
import { readReleaseFile, type ReleaseFile } from "../../targets/release-file.ts";
import { type Release, type Target, versionOf } from "../../targets/target.ts";
import type { Component, OpenStore } from "../components.ts";

/** Whether a release can live with the data, the best first. */
const VERDICTS = ["ok", "unknown", "restore-required"] as const;
export type Compatibility = (typeof VERDICTS)[number];

export type StoreVerdict = {
  readonly store: string;
  readonly verdict: Compatibility;
  readonly why: string;
};

/** What a migration does to the releases before it, by name. */
type Kinds = Readonly<Record<string, "additive" | "breaking">>;

/** Whether a release can live with the data as they are now; the worst of the stores counts. */
export async function compatibilityOf(
  { stores, target }: Component,
  version: Version,
  run: Run,
): Promise<{ verdict: Compatibility; stores: StoreVerdict[] }> {
  const judged: StoreVerdict[] = [];
  for (const open of stores) {
    const { store } = open;
    if (target === undefined || store.schemaOf === undefined) continue;
    // What is not there yet fits any release.
    if (isFileStore(store) && !existsSync(store.livePath)) continue;
    const live = await store.schemaOf("live", run);
    const known = await knowledgeOf(open, target, version);
    const found =
      live === undefined
        ? ({ verdict: "unknown", why: "its schema cannot be told" } as const)
        : judge(live, known);
    judged.push({ store: store.name, ...found });
  }
  const worst = Math.max(0, ...judged.map(({ verdict }) => VERDICTS.indexOf(verdict)));
  return { verdict: VERDICTS[worst]!, stores: judged };
}

type Knowledge = {
  /** With which it ran when it was live the last time. */
  readonly ranWith: Schema | undefined;
  /** What it says of itself. */
  readonly reads: readonly string[] | undefined;
  readonly kinds: Kinds;
};

/** An older release cannot know a newer schema: only the newer one, or the data, can tell. */
function judge(live: Schema, { ranWith, reads, kinds }: Knowledge): Omit<StoreVerdict, "store"> {
  if (isSameSchema(ranWith, live)) return { verdict: "ok", why: "it ran with it" };
  if (reads?.includes(live.fingerprint) === true) {
    return { verdict: "ok", why: "it says that it reads it" };
  }
  const known = reads ?? ranWith?.migrations;
  if (ranWith?.fingerprint === live.fingerprint && ranWith.shape !== undefined) {
    return { verdict: "unknown", why: "its tables changed, and no migration says so" };
  }
  if (live.migrations === undefined || known === undefined) {
    const isInVain = live.migrations === undefined && Object.keys(kinds).length > 0;
    const more = isInVain ? "; of its migrations its schema: keeps no list to look them up in" : "";
    return { verdict: "unknown", why: `the schema is another than the one it ran with${more}` };
  }
  const unknown = live.migrations.filter((name) => !known.includes(name));
  const breaking = unknown.find((name) => kinds[name] === "breaking");
  if (breaking !== undefined) {
    return { verdict: "restore-required", why: `${breaking} breaks what came before it` };
  }
  const undeclared = unknown.find((name) => kinds[name] === undefined);
  if (undeclared !== undefined) {
    return { verdict: "unknown", why: `nobody says what ${undeclared} does to older releases` };
  }
  return { verdict: "ok", why: unknown.length === 0 ? "it knows it" : "what is new only adds" };
}

async function knowledgeOf(open: OpenStore, target: Target, version: Version): Promise<Knowledge> {
  const releases = await target.releases();
  const release = releases.find((one) => one.version === version);
  const kinds = await kindsOf(open, releases);
  const file = release === undefined ? undefined : await fileOf(release);
  const { name } = open.store;
  return { ranWith: release?.schemas?.[name], reads: file?.reads[ownName(open)], kinds };
}

/** What all releases, and those that were here once, say of migrations. */
async function kindsOf(open: OpenStore, releases: readonly Release[]): Promise<Kinds> {
  const own = ownName(open);
  const files = await Promise.all(releases.map((one) => fileOf(one)));
  const said = files.map((file) => file?.migrations[own] ?? {});
  return Object.assign({}, await readFloor(open), ...said) as Kinds;
}

/** What cannot be read says nothing here; `releases verify` and `deploy` tell of it. */
async function fileOf({ folder }: Release): Promise<ReleaseFile | undefined> {
  return await readReleaseFile(folder).catch(() => undefined);
}

/** What the schemas of stores look like now, to be remembered with the release that runs. */
export async function schemasOf(
  { stores }: Pick<Component, "stores">,
  run: Run,
  version: Version | "live" = "live",
): Promise<Readonly<Record<string, Schema>>> {
  const found: Record<string, Schema> = {};
  for (const { store } of stores) {
    const schema = await store.schemaOf?.(version, run);
    if (schema !== undefined) found[store.name] = schema;
  }
  return found;
}

/** Remembers with a release what its data look like. That it cannot be written stops nothing. */
export async function rememberSchemas(
  { stores, target }: Component,
  version: Version,
  run: Run,
): Promise<void> {
  try {
    await target?.mark(version, { schemas: await schemasOf({ stores }, run) });
  } catch (error) {
    run.signal.throwIfAborted();
    run.report({ type: "warning", message: `remember ${version}: ${(error as Error).message}` });
  }
}

/**
 * Whether the release that `current` leads to can read what is live: nothing of the schema changed
 * since the copy was saved, or what changed only adds.
 */
export async function readsLive(
  open: OpenStore,
  saved: Version,
  target: Target | undefined,
  run: Run,
): Promise<boolean> {
  const { store } = open;
  const live = await store.schemaOf?.("live", run);
  const before = await store.schemaOf?.(saved, run);
  if (isSameSchema(before, live)) return true;
  const current = target === undefined ? undefined : versionOf((await target.pointers()).current);
  if (live === undefined || target === undefined || current === undefined) return false;
  const known = await knowledgeOf(open, target, current);
  return judge(live, known).verdict === "ok";
}

/** Beside the data, what was ever said of the migrations that it went through. */
export async function rememberKinds(open: OpenStore, target: Target): Promise<void> {
  const kinds = await kindsOf(open, await target.releases());
  const file = await floorFile(open);
  if (file === undefined) return;
  const before = await readFloor(open);
  if (JSON.stringify(kinds) === JSON.stringify(before)) return;
  await writeFileDurable(file, Buffer.from(JSON.stringify(kinds)), "replace");
}

async function readFloor(open: OpenStore): Promise<Kinds> {
  const file = await floorFile(open);
  if (file === undefined) return {};
  const text = await readFile(file, "utf8").catch(nothingThere);
  try {
    return text === undefined ? {} : (JSON.parse(text) as Kinds);
  } catch {
    // Then only the releases can tell.
    return {};
  }
}

/** Of data that a server has only the releases that are here can tell. */
async function floorFile({ store }: OpenStore): Promise<string | undefined> {
  if (!isFileStore(store)) return undefined;
  return path.join((await store.place()).versionsFolder, "migrations.json");
}

function ownName({ store }: OpenStore): string {
  return store.name.slice(store.name.indexOf("/") + 1);
}
