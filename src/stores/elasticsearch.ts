import { createHash } from "node:crypto";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { once } from "../base/once.ts";
import type { Writer } from "../repository/repository.ts";
import type { Version } from "../slots/slot.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import { describeLoss, isServers } from "./database/common.ts";
import { type Search, type SearchAccess, searchClient, SearchFailure } from "./search/client.ts";
import { openMoment } from "./search/documents.ts";
import {
  count,
  type Definition,
  definitionsOf,
  expressionOf,
  hasWholeSource,
  obstacleOf,
  refresh,
} from "./search/indices.ts";
import { documentsAt, fill, listOf, writeList } from "./search/listed.ts";
import { type Snapshots, snapshotsIn } from "./search/snapshots.ts";
import { type Context, lyingName, readLying, searchVersions } from "./search/versions.ts";
import { type Captured, errorWord, type ServerStore, type StoreContext } from "./store.ts";
import { versionFiles } from "./version-files.ts";

export type ElasticsearchConfig = SearchAccess & {
  /** Names, and patterns with *. */
  readonly indices: readonly string[];
  /** A repository of the server's own, which then has the documents; undefined: ours has them. */
  readonly snapshots:
    | { readonly repository: string; readonly location?: string | undefined }
    | undefined;
  /** A local folder, where it stands what versions consist of. */
  readonly folder: string;
};

/** Indices of Elasticsearch or OpenSearch: documents of one moment, with mappings, settings and aliases. */
export function elasticsearchStore(
  config: ElasticsearchConfig,
  { name, now, effects }: StoreContext,
): ServerStore {
  const { indices, where } = config;
  const search = searchClient(config);
  const snapshots =
    config.snapshots === undefined ? undefined : snapshotsIn(search, config.snapshots);
  const context: Context = {
    name,
    search,
    indices,
    files: versionFiles(config.folder, effects),
    fill: (from, at, nameOf, run) => fill(search, snapshots, from, at, nameOf, run),
  };
  const server = once((run: Run) => serverOf(search, run));
  const parts = { name, search, now, server };
  return {
    kind: "elasticsearch",
    name,
    where,
    capture: (into, at, run) => captureLive(parts, config, snapshots, into, at, run),
    captureVersion: (version, into, at, run) =>
      captureLying(parts, context, version, into, at, run),
    loss: async (_from, _at, facts, run) => {
      // A snapshot of the server's own is not counted.
      if (facts !== undefined && facts.rows === undefined) return ["what was written since"];
      return await describeLoss(
        async () => {
          const rows: Record<string, number> = {};
          for (const index of (await definitionsOf(search, indices, run)).keys()) {
            rows[index] = (await count(search, index, run)) ?? 0;
          }
          return rows;
        },
        facts?.rows ?? {},
        run,
      );
    },
    ...(snapshots === undefined
      ? {}
      : {
          async forgotten({ about }, run) {
            const own = about?.["snapshot"];
            if (typeof own === "string") await snapshots.remove(own, run);
          },
        }),
    server: async (run) => (await server(run)).about,
    countOf: (index, field, value, run) => count(search, index, run, { [field]: value }),
    versions: searchVersions(context),
  };
}

async function captureLive(
  parts: Parts,
  { indices }: ElasticsearchConfig,
  snapshots: Snapshots | undefined,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const { name, search } = parts;
  return await orUnreadable(name, isOurs, async () => {
    const live = await definitionsOf(search, indices, run);
    if (live.size === 0) return nothing(name, indices);
    const errors = obstacles(name, live, snapshots === undefined);
    if (errors.length > 0) return { facts: undefined, errors, warnings: [] };
    return snapshots === undefined
      ? await captureDocuments(parts, live, (index) => index, into, at, run)
      : await captureSnapshot(parts, live, snapshots, expressionOf(indices), into, at, run);
  });
}

/** A version as it was when it was live. */
async function captureLying(
  parts: Parts,
  context: Context,
  version: Version,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const { name, search } = parts;
  return await orUnreadable(name, isOurs, async () => {
    const nameOf = (index: string): string => lyingName(version, index);
    const there = await definitionsOf(search, [`${nameOf("")}*`], run, "ours too");
    const then = new Map<string, Definition>();
    for (const { index, aliases, settings: own } of await readLying(context, version)) {
      const found = there.get(nameOf(index));
      if (found === undefined) {
        throw new AppError("SOURCE_FAILED", `read ${index} of ${version}: it is gone`);
      }
      const { settings, mappings } = found;
      const as = undressed(settings.index, own);
      then.set(index, { settings: { index: as }, mappings, aliases });
    }
    return await captureDocuments(parts, then, nameOf, into, at, run);
  });
}

/** The settings that an index had before it became a version; null was not set. */
function undressed(
  settings: Definition["settings"]["index"],
  { "blocks.write": write, ...own }: Readonly<Record<string, unknown>>,
): Definition["settings"]["index"] {
  const kept = Object.entries(settings).filter(([key]) => !(key in own) && key !== "blocks");
  const set = Object.entries(own).filter(([, value]) => value !== null);
  const blocks = write === null ? [] : [["blocks", { write }] as const];
  return Object.fromEntries([...kept, ...set, ...blocks]);
}

/** Whether it is the server that says no: the other stores go on. */
const isOurs = (error: unknown): boolean => error instanceof SearchFailure || isServers(error);

function obstacles(
  name: string,
  live: ReadonlyMap<string, Definition>,
  isByDocuments: boolean,
): string[] {
  return [...live].flatMap(([index, definition]) => {
    const lacks = isByDocuments && !hasWholeSource(definition);
    const obstacle = obstacleOf(definition) ?? (lacks ? "does_not_keep_its_source" : undefined);
    return obstacle === undefined ? [] : [errorWord(name, `${index}_${obstacle}`)];
  });
}

function nothing(name: string, indices: readonly string[]): Captured {
  const errors = [errorWord(name, "missing")];
  return { facts: undefined, errors, warnings: [`there is no index ${indices.join(", ")}`] };
}

type Server = { readonly about: string; readonly isOpenSearch: boolean };

async function serverOf(search: Search, run: Run): Promise<Server> {
  const asked = { method: "GET", path: "/", what: "ask for the version" } as const;
  const { version } = await search.json<{ version: { number: string; distribution?: string } }>(
    asked,
    run,
  );
  const { number, distribution = "elasticsearch" } = version;
  return { about: `${distribution} ${number}`, isOpenSearch: distribution === "opensearch" };
}

type Parts = {
  readonly name: string;
  readonly search: Search;
  readonly now: () => Date;
  readonly server: (run: Run) => Promise<Server>;
};

async function captureDocuments(
  { name, search, now, server }: Parts,
  live: ReadonlyMap<string, Definition>,
  nameOf: (index: string) => string,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  const { about, isOpenSearch } = await server(run);
  const names = [...live.keys()].map(nameOf);
  // What was written a moment ago nobody sees yet.
  for (const index of names) await refresh(search, index, run);
  await using moment = await openMoment(search, names, isOpenSearch, run);
  const rows: Record<string, number> = {};
  const errors: string[] = [];
  let bytes = 0;
  for (const index of live.keys()) {
    const { documents: source, count: counted } = moment.read(nameOf(index), run);
    let documents = 0;
    const watched = async function* (): AsyncGenerator<Buffer> {
      for await (const part of source) {
        documents += linesIn(part) / 2;
        yield part;
      }
    };
    const { sizeBytes } = await into.stream(documentsAt(at, index), watched(), metadata);
    if (documents !== (await counted())) errors.push(errorWord(name, `${index}_is_cut`));
    rows[index] = documents;
    bytes += sizeBytes;
  }
  await writeList(into, at, { indices: listOf(live) }, metadata);
  const files = live.size;
  return { facts: { bytes, files, rows, about: { server: about } }, errors, warnings: [] };
}

async function captureSnapshot(
  { name, now, server }: Parts,
  live: ReadonlyMap<string, Definition>,
  snapshots: Snapshots,
  expression: string,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const { about } = await server(run);
  const own = `lastgood-${createHash("sha256").update(`${name} ${now().toISOString()}`).digest("hex").slice(0, 20)}`;
  const { problem, indices: taken, bytes } = await snapshots.take(own, expression, run);
  const kept = new Map([...live].filter(([index]) => taken.includes(index)));
  const snapshot = { repository: snapshots.repository, name: own };
  await writeList(into, at, { indices: listOf(kept), snapshot }, dumpMetadata(now));
  const errors = problem === undefined ? [] : [errorWord(name, "snapshot_is_not_whole")];
  const facts = { bytes, files: kept.size, about: { server: about, snapshot: own } };
  return { facts, errors, warnings: problem === undefined ? [] : [problem] };
}

const NEWLINE = 0x0a;

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
