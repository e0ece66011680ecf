import { createHash } from "node:crypto";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { once } from "../base/once.ts";
import type { Reader, Writer } from "../repository/repository.ts";
import type { Version } from "../slots/slot.ts";
import { dumpMetadata, orUnreadable } from "./capturing.ts";
import { describeLoss, isServers } from "./database/common.ts";
import { type Search, type SearchAccess, searchClient, SearchFailure } from "./search/client.ts";
import { openMoment } from "./search/documents.ts";
import {
  count,
  create,
  type Definition,
  definitionsOf,
  expressionOf,
  remove,
} from "./search/indices.ts";
import { loadDocuments } from "./search/load.ts";
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

const LIST = "indices.json";

/** What a point has: by index what it is, and where its documents are. */
type Listed = {
  readonly indices: readonly { readonly index: string; readonly definition: Definition }[];
  /** Of the server's own repository; undefined: they lie beside this. */
  readonly snapshot?: { readonly repository: string; readonly name: string };
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
    loss: (_from, _at, facts, run) =>
      describeLoss(
        async () => {
          const rows: Record<string, number> = {};
          for (const index of (await definitionsOf(search, indices, run)).keys()) {
            rows[index] = (await count(search, index, run)) ?? 0;
          }
          return rows;
        },
        facts?.rows ?? {},
        run,
      ),
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
    const expression = expressionOf(indices);
    return snapshots === undefined
      ? await captureDocuments(parts, live, expression, (index) => index, into, at, run)
      : await captureSnapshot(parts, live, snapshots, expression, into, at, run);
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
    const expression = `${nameOf("")}*`;
    const there = await definitionsOf(search, [expression], run, "ours too");
    const then = new Map<string, Definition>();
    for (const { index, aliases, replicas, refresh } of await readLying(context, version)) {
      const { settings, mappings } = there.get(nameOf(index))!;
      const own = { ...settings.index, number_of_replicas: replicas, refresh_interval: refresh };
      then.set(index, { settings: { index: own }, mappings, aliases });
    }
    return await captureDocuments(parts, then, expression, nameOf, into, at, run);
  });
}

/** Whether it is the server that says no: the other stores go on. */
const isOurs = (error: unknown): boolean => error instanceof SearchFailure || isServers(error);

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
  expression: string,
  nameOf: (index: string) => string,
  into: Writer,
  at: string,
  run: Run,
): Promise<Captured> {
  const metadata = dumpMetadata(now);
  const { about, isOpenSearch } = await server(run);
  await using moment = await openMoment(search, expression, isOpenSearch, run);
  const rows: Record<string, number> = {};
  const errors: string[] = [];
  let bytes = 0;
  for (const index of live.keys()) {
    const wanted = await moment.count(nameOf(index), run);
    let documents = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const part of moment.documents(nameOf(index), run)) {
        documents += linesIn(part) / 2;
        yield part;
      }
    };
    const { sizeBytes } = await into.stream(documentsAt(at, index), counted(), metadata);
    if (documents !== wanted) errors.push(errorWord(name, `${index}_is_cut`));
    rows[index] = documents;
    bytes += sizeBytes;
  }
  await writeList(into, at, { indices: listOf(live) }, metadata);
  const files = live.size;
  return { facts: { bytes, files, rows, about: { server: about } }, errors, warnings: [] };
}

async function captureSnapshot(
  { name, search, now, server }: Parts,
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
  const rows: Record<string, number> = {};
  for (const index of taken) rows[index] = (await count(search, index, run)) ?? 0;
  const kept = new Map([...live].filter(([index]) => taken.includes(index)));
  const snapshot = { repository: snapshots.repository, name: own };
  await writeList(into, at, { indices: listOf(kept), snapshot }, dumpMetadata(now));
  const errors = problem === undefined ? [] : [errorWord(name, "snapshot_is_not_whole")];
  const facts = { bytes, files: taken.length, rows, about: { server: about, snapshot: own } };
  return { facts, errors, warnings: problem === undefined ? [] : [problem] };
}

const documentsAt = (at: string, index: string): string => `${at}/documents/${index}.ndjson`;

const listOf = (live: ReadonlyMap<string, Definition>): Listed["indices"] =>
  [...live].map(([index, definition]) => ({ index, definition }));

async function writeList(
  into: Writer,
  at: string,
  listed: Listed,
  metadata: Parameters<Writer["bytes"]>[2],
): Promise<void> {
  const json = Buffer.from(`${JSON.stringify(listed, undefined, 1)}\n`);
  await into.bytes(`${at}/${LIST}`, json, metadata);
}

const NEWLINE = 0x0a;

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

async function fill(
  search: Search,
  snapshots: Snapshots | undefined,
  from: Reader,
  at: string,
  nameOf: (index: string) => string,
  run: Run,
): Promise<(readonly [string, Definition])[]> {
  const { indices, snapshot } = JSON.parse((await from.read(`${at}/${LIST}`)).toString()) as Listed;
  for (const { index } of indices) await remove(search, nameOf(index), run);
  if (snapshot !== undefined) {
    if (snapshots === undefined) {
      throw new AppError(
        "NOT_FOUND",
        `read snapshot ${snapshot.name}: no repository is configured`,
        {
          hint: `Its documents are in the server's own repository: snapshots: { repository: ${snapshot.repository} }`,
        },
      );
    }
    await snapshots.restore(
      snapshot.name,
      indices.map(({ index }) => index),
      nameOf,
      run,
    );
  } else {
    for (const { index, definition } of indices) {
      await create(search, nameOf(index), definition, run);
      await loadDocuments(search, nameOf(index), from.stream(documentsAt(at, index)), run);
    }
  }
  return indices.map(({ index, definition }) => [index, definition] as const);
}
