import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Search } from "./client.ts";
import { elementsOf, membersOf, onOneLine } from "./raw-json.ts";

// All documents of one moment. Elasticsearch: a point in time, its pages by search_after, in slices.
// https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results
// OpenSearch sorts a point in time by no document number: there slices of a scroll.
// https://docs.opensearch.org/latest/api-reference/search-apis/scroll/

const KEEP_ALIVE = "10m";
const PAGE_DOCUMENTS = 250;
const SLICES = 2;

/** What is searched: all indices of a store at one moment. */
export type Moment = AsyncDisposable & {
  /** Each document as the two lines that a bulk request wants; and how many there had to be. */
  read(
    index: string,
    run: Run,
  ): { readonly documents: AsyncGenerator<Buffer>; readonly count: () => Promise<number> };
};

export async function openMoment(
  search: Search,
  indices: readonly string[],
  isOpenSearch: boolean,
  run: Run,
): Promise<Moment> {
  return isOpenSearch ? scrolling(search) : await pointsInTime(search, indices, run);
}

/** A server takes lines of 4 KiB. */
const NAMES_CHARACTERS_MAX = 3000;

/** By their names: an alias may show only some of the documents. */
async function pointsInTime(search: Search, indices: readonly string[], run: Run): Promise<Moment> {
  const moments = new Map<string, Moment>();
  let group: string[] = [];
  const open = async (): Promise<void> => {
    if (group.length === 0) return;
    const moment = await pointInTime(search, group.join(","), run);
    for (const index of group) moments.set(index, moment);
    group = [];
  };
  for (const index of indices) {
    if (group.join(",").length + index.length > NAMES_CHARACTERS_MAX) await open();
    group.push(index);
  }
  await open();
  return {
    read: (index, inner) => moments.get(index)!.read(index, inner),
    async [Symbol.asyncDispose]() {
      for (const moment of new Set(moments.values())) await moment[Symbol.asyncDispose]();
    },
  };
}

async function pointInTime(search: Search, indices: string, run: Run): Promise<Moment> {
  const path = `/${encodeURIComponent(indices)}/_pit?keep_alive=${KEEP_ALIVE}`;
  const what = "open a point in time";
  let { id } = await search.json<{ id: string }>({ method: "POST", path, what }, run);
  const page = async (index: string, rest: string, inner: Run): Promise<Page> => {
    const pit = `"pit":{"id":${JSON.stringify(id)},"keep_alive":"${KEEP_ALIVE}"}`;
    const query = `"query":{"term":{"_index":${JSON.stringify(index)}}}`;
    const asked = { method: "POST", path: "/_search", what: `read ${index}` } as const;
    const body = `{${pit},${query},${rest}}`;
    const found = pageIn(await search.text({ ...asked, body }, inner), index);
    id = found.next ?? id;
    return found;
  };
  return {
    read: (index, inner) => ({
      count: async () => (await page(index, `"size":0,"track_total_hits":true`, inner)).total,
      documents: merged(
        slices((slice) => {
          const read = (after: string): Promise<Page> => {
            const sorted = `"size":${PAGE_DOCUMENTS},${slice}"sort":[{"_shard_doc":"asc"}]${after}`;
            return page(index, sorted, inner);
          };
          return pages(
            () => read(""),
            ({ last }) => (last === undefined ? undefined : read(`,"search_after":${last}`)),
          );
        }),
        inner,
      ),
    }),
    async [Symbol.asyncDispose]() {
      const body = JSON.stringify({ id });
      // It ends by itself anyway.
      await search.found({ method: "DELETE", path: "/_pit", body, what }, run).catch(() => {});
    },
  };
}

/** A page of a scroll cannot be asked for again: where its answer is lost, so is the whole. */
function scrolling(search: Search): Moment {
  const end = async (id: string | undefined, run: Run): Promise<void> => {
    if (id === undefined) return;
    const body = JSON.stringify({ scroll_id: id });
    const asked = {
      method: "DELETE",
      path: "/_search/scroll",
      body,
      what: "end a scroll",
    } as const;
    await search.found(asked, run).catch(() => {});
  };
  const begin = async (index: string, slice: string, run: Run): Promise<Page> => {
    const path = `/${encodeURIComponent(index)}/_search?scroll=${KEEP_ALIVE}`;
    const body = `{${slice}"size":${PAGE_DOCUMENTS},"sort":["_doc"],"track_total_hits":true}`;
    const asked = { method: "POST", path, body, what: `read ${index}` } as const;
    return pageIn(await search.text(asked, run), index);
  };
  const goOn = async (index: string, id: string, run: Run): Promise<Page> => {
    const body = JSON.stringify({ scroll: KEEP_ALIVE, scroll_id: id });
    const asked = { method: "POST", path: "/_search/scroll", body, isOnce: true } as const;
    return pageIn(await search.text({ ...asked, what: `read ${index}` }, run), index);
  };
  return {
    read(index, run) {
      let total = 0;
      const first = async (slice: string): Promise<Page> => {
        const page = await begin(index, slice, run);
        // Each slice counts its own.
        total += page.total;
        return page;
      };
      const documents = merged(
        slices((slice) =>
          pages(
            () => first(slice),
            ({ next, lines }) => {
              if (lines.length === 0 || next === undefined) return void end(next, run);
              return goOn(index, next, run);
            },
          ),
        ),
        run,
      );
      return { documents, count: async () => total };
    },
    async [Symbol.asyncDispose]() {},
  };
}

type Page = {
  readonly total: number;
  readonly lines: readonly string[];
  /** Of the last document: what it is sorted by. */
  readonly last: string | undefined;
  /** The id under which there is more. */
  readonly next: string | undefined;
};

/** A page that lacks what some shard has comes with status 200. SOURCE_FAILED. */
function pageIn(text: string, index: string): Page {
  const members = membersOf(text);
  const { failed } = JSON.parse(members.get("_shards") ?? "{}") as { failed?: number };
  if (failed !== 0 || members.get("timed_out") === "true") {
    throw new AppError("SOURCE_FAILED", `read ${index}: ${failed} shards did not answer`, {
      hint: "See which: GET /_cluster/health?level=shards",
    });
  }
  const inner = membersOf(members.get("hits") ?? "{}");
  const { value = 0 } = JSON.parse(inner.get("total") ?? "{}") as { value?: number };
  const hits = elementsOf(inner.get("hits") ?? "[]").map(membersOf);
  const id = members.get("pit_id") ?? members.get("_scroll_id");
  return {
    total: value,
    lines: hits.map((hit) => linesOf(hit, index)),
    last: hits.at(-1)?.get("sort"),
    next: id === undefined ? undefined : (JSON.parse(id) as string),
  };
}

function linesOf(hit: ReadonlyMap<string, string>, index: string): string {
  const source = hit.get("_source");
  if (source === undefined) {
    throw new AppError("SOURCE_FAILED", `read ${index}: it does not keep the source of documents`, {
      hint: "Such an index can only be kept by the server's own snapshots: snapshots: …",
    });
  }
  const routing = hit.get("_routing");
  const more = routing === undefined ? "" : `,"routing":${routing}`;
  return `{"index":{"_id":${hit.get("_id")}${more}}}\n${onOneLine(source)}\n`;
}

function slices(make: (slice: string) => AsyncGenerator<Page>): AsyncGenerator<Page>[] {
  return Array.from({ length: SLICES }, (_, id) => make(`"slice":{"id":${id},"max":${SLICES}},`));
}

/** The next page is asked for while this one is taken. */
async function* pages(
  first: () => Promise<Page>,
  following: (page: Page) => Promise<Page> | undefined | void,
): AsyncGenerator<Page> {
  let next: Promise<Page> | undefined | void = first();
  while (next !== undefined) {
    const page: Page = await next;
    next = following(page);
    // Whoever stops in the middle does not wait for it.
    next?.catch(() => {});
    if (page.lines.length > 0) yield page;
  }
}

/** Whichever slice has something. */
async function* merged(
  all: readonly AsyncGenerator<Page>[],
  { signal }: Run,
): AsyncGenerator<Buffer> {
  const step = (of: AsyncGenerator<Page>): Waiting => of.next().then((result) => ({ of, result }));
  const waiting = new Map(all.map((one) => [one, step(one)]));
  try {
    while (waiting.size > 0) {
      signal.throwIfAborted();
      const { of, result } = await Promise.race(waiting.values());
      if (result.done === true) {
        waiting.delete(of);
        continue;
      }
      waiting.set(of, step(of));
      yield Buffer.from(result.value.lines.join(""));
    }
  } finally {
    for (const one of waiting.values()) one.catch(() => {});
  }
}

type Waiting = Promise<{ of: AsyncGenerator<Page>; result: IteratorResult<Page> }>;
