import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Reader } from "../../repository/repository.ts";
import type { Version } from "../../slots/slot.ts";
import { errorWord, type Facts, type StoreVersions } from "../store.ts";
import type { VersionFiles } from "../version-files.ts";
import type { Search } from "./client.ts";
import {
  BARE,
  block,
  clone,
  count,
  type Definition,
  definitionsOf,
  type Dress,
  dressOf,
  giveAliases,
  obstacleOf,
  OWN,
  remove,
} from "./indices.ts";

// Versions of indices lie beside them as indices of their own, blocked for writing, since a server can
// copy such ones by links to their files. A file on this machine says what a version consists of and
// makes it ready. An index cannot be renamed: it is removed, and made again as a copy of its version.

/** An index of a version. */
export type Lying = Dress & { readonly index: string; readonly count: number };

export type Context = {
  readonly name: string;
  readonly search: Search;
  readonly indices: readonly string[];
  readonly files: VersionFiles;
  /** Fills indices that do not exist yet with what a point has. */
  readonly fill: (
    from: Reader,
    at: string,
    nameOf: (index: string) => string,
    run: Run,
  ) => Promise<readonly (readonly [index: string, definition: Definition])[]>;
};

/** The name of an index in a version. */
export function lyingName(version: Version, index: string): string {
  const hash = createHash("sha256").update(version).digest("hex").slice(0, 12);
  return `${OWN}${hash}-${index}`;
}

export function searchVersions(context: Context): StoreVersions {
  const { search, files, name } = context;
  return {
    isReady: files.isReady,
    readyAmong: files.readyAmong,
    stage: (version, from, at, run) => stage(context, version, from, at, run),
    problemsOf: (version, facts, run) => problemsOf(context, version, facts, run),
    activate: (version, displaced, run) => activate(context, version, displaced, run),
    discard: (version, run) => discard(context, version, run),
    async save(version, run) {
      await settle(context, run);
      if (!(await files.isReady(version))) await saveLive(context, version, run);
    },
    async copy(from, version, run) {
      if (await files.isReady(version)) return;
      if (!(await files.isReady(from))) {
        throw new AppError("NOT_FOUND", `copy ${name} ${from}: it is not there any more`);
      }
      const lying = await readLying(context, from);
      for (const { index } of lying) {
        const to = lyingName(version, index);
        await clone(search, lyingName(from, index), to, BARE, run);
        await block(search, to, true, run);
      }
      await writeLying(context, version, lying);
    },
    settle: (run) => settle(context, run),
  };
}

export async function readLying({ files }: Context, version: Version): Promise<readonly Lying[]> {
  return JSON.parse(await readFile(files.fileOf(version), "utf8")) as Lying[];
}

async function writeLying(
  { files }: Context,
  version: Version,
  lying: readonly Lying[],
): Promise<void> {
  await files.put(version, Readable.from([Buffer.from(JSON.stringify(lying))]));
}

async function stage(
  context: Context,
  version: Version,
  from: Reader,
  at: string,
  run: Run,
): Promise<void> {
  const { search, name } = context;
  const nameOf = (index: string): string => lyingName(version, index);
  const filled = await context.fill(from, at, nameOf, run);
  const lying: Lying[] = [];
  for (const [index, definition] of filled) {
    const found = await count(search, nameOf(index), run);
    if (found === undefined) throw new AppError("NOT_FOUND", `stage ${name}: ${index} is gone`);
    await block(search, nameOf(index), true, run);
    lying.push({ index, count: found, ...dressOf(definition) });
  }
  await writeLying(context, version, lying);
}

async function problemsOf(
  context: Context,
  version: Version,
  facts: Facts | undefined,
  run: Run,
): Promise<string[]> {
  const { name, search } = context;
  const lying = await readLying(context, version);
  const problems: string[] = [];
  const counted = new Map(lying.map((one) => [one.index, one.count]));
  const expected = Object.entries(facts?.rows ?? Object.fromEntries(counted));
  for (const [index, wanted] of expected) {
    const found = await count(search, lyingName(version, index), run);
    if (found !== wanted)
      problems.push(errorWord(name, `${index}_has_${found ?? "no"}_documents_not_${wanted}`));
  }
  return problems;
}

/** Of what no copy was made nothing may be taken away. */
function refuseObstacles(live: ReadonlyMap<string, Definition>): void {
  for (const [index, definition] of live) {
    const obstacle = obstacleOf(definition);
    if (obstacle === undefined) continue;
    throw new AppError("REFUSED", `switch ${index}: it ${obstacle.replaceAll("_", " ")}`, {
      hint: "Open it, or name the indices of the store without it.",
    });
  }
}

/** Copies of all that is live. While they are made nobody can write. */
async function saveLive(context: Context, version: Version, run: Run): Promise<void> {
  const { search, indices, files } = context;
  const live = await definitionsOf(search, indices, run);
  const lying: Lying[] = [];
  refuseObstacles(live);
  const blocks = [...live].map(([index, one]) => [index, dressOf(one).settings["blocks.write"]]);
  await files.put(BLOCKED, Readable.from([Buffer.from(JSON.stringify(blocks))]));
  try {
    for (const [index, definition] of live) {
      await block(search, index, true, run);
      const to = lyingName(version, index);
      await clone(search, index, to, BARE, run);
      await block(search, to, true, run);
      const found = (await count(search, to, run)) ?? 0;
      lying.push({ index, count: found, ...dressOf(definition) });
    }
  } finally {
    await settle(context, { ...run, signal: new AbortController().signal });
  }
  await writeLying(context, version, lying);
}

/** Names indices that were blocked for a copy, until they are open again. */
const BLOCKED = "~blocked" as Version;

async function settle({ search, files }: Context, run: Run): Promise<void> {
  if (!(await files.isReady(BLOCKED))) return;
  const blocked = JSON.parse(await readFile(files.fileOf(BLOCKED), "utf8")) as [string, unknown][];
  for (const [index, before] of blocked) await block(search, index, before, run);
  await files.remove(BLOCKED);
}

async function activate(
  context: Context,
  version: Version,
  displaced: Version,
  run: Run,
): Promise<void> {
  const { search, indices, files } = context;
  await settle(context, run);
  if (!(await files.isReady(version))) return;
  if (!(await files.isReady(displaced))) await saveLive(context, displaced, run);
  const lying = await readLying(context, version);
  const wanted = new Set(lying.map(({ index }) => index));
  const live = await definitionsOf(search, indices, run);
  refuseObstacles(live);
  for (const index of live.keys()) {
    if (!wanted.has(index)) await remove(search, index, run);
  }
  for (const { index, settings } of lying) {
    await clone(search, lyingName(version, index), index, { settings }, run);
  }
  await giveAliases(search, lying, run);
  for (const { index, settings } of lying) {
    const blocked = settings["blocks.write"];
    if (blocked !== null) await block(search, index, blocked, run);
  }
  // Until all of it is live it stays: after a crash all of this is done again.
  await discard(context, version, run);
}

/** The file goes first: a version that is not whole is not ready. */
async function discard({ search, files }: Context, version: Version, run: Run): Promise<void> {
  await files.remove(version);
  const mine = `${lyingName(version, "")}*`;
  for (const index of (await definitionsOf(search, [mine], run, "ours too")).keys()) {
    await remove(search, index, run);
  }
}
