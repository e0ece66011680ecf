import { type Doc, named, SearchError, type State, type View } from "./indices.ts";

type Request = {
  size?: number;
  pit?: { id: string };
  slice?: { id: number; max: number };
  search_after?: [number];
  query?: { term?: { _index?: string } };
};

export function openView(state: State, expression: string, size = 0): string {
  const id = `view-${state.nextId++}`;
  const docs = named(state, expression).flatMap((name) =>
    [...state.indices.get(name)!.visible].map(([key, doc]): View["docs"][number] => [
      name,
      key,
      doc,
    ]),
  );
  state.views.set(id, { docs, at: 0, size });
  return id;
}

export function viewOf(state: State, id: string): View {
  const view = state.views.get(id);
  if (view !== undefined) return view;
  throw new SearchError(
    404,
    "search_context_missing_exception",
    `No search context found for id [${id}]`,
  );
}

/** Written by hand, so that each source stays as it was sent. */
export function answer(
  hits: readonly (readonly [index: string, id: string, doc: Doc, sort?: number])[],
  total: number,
  more: Record<string, unknown>,
  failed = 0,
): string {
  const lines = hits.map(([index, id, { source, routing }, sort]) => {
    const head = JSON.stringify({
      _index: index,
      _id: id,
      _score: null,
      ...(routing === undefined ? {} : { _routing: routing }),
    }).slice(0, -1);
    return `${head},"_source" : ${source}${sort === undefined ? "" : `,"sort":[${sort}]`}}`;
  });
  const head = JSON.stringify({
    ...more,
    took: 1,
    timed_out: false,
    _shards: { total: 2, successful: 2 - failed, skipped: 0, failed },
  }).slice(0, -1);
  return `${head},"hits":{"total":{"value":${total},"relation":"eq"},"max_score":null,"hits":[${lines.join(",")}]}}`;
}

/** With a point in time: pages by search_after over _shard_doc, in slices. */
export function searchView(state: State, request: Request, failed: number): string {
  const { id } = request.pit!;
  const view = viewOf(state, id);
  const { slice, size = 10, search_after: after = [-1] } = request;
  const wanted = request.query?.term?._index;
  const found = view.docs
    .map(([index, key, doc], at) => [index, key, doc, at] as const)
    .filter(([index]) => wanted === undefined || index === wanted);
  const own = found.filter(([, , , at]) => slice === undefined || at % slice.max === slice.id);
  const page = own.filter(([, , , at]) => at > after[0]).slice(0, size);
  return answer(page, found.length, { pit_id: id }, failed);
}

export function scrollOn(state: State, id: string): string {
  const view = viewOf(state, id);
  const page = view.docs.slice(view.at, view.at + view.size);
  view.at += page.length;
  return answer(page, view.docs.length, { _scroll_id: id });
}

/** The first page of a scroll; a slice has its share of the documents. */
export function beginScroll(state: State, expression: string, request: Request): string {
  const id = openView(state, expression, request.size ?? 10);
  const { slice } = request;
  if (slice !== undefined) {
    const all = viewOf(state, id);
    const docs = all.docs.filter((_, at) => at % slice.max === slice.id);
    state.views.set(id, { ...all, docs });
  }
  return scrollOn(state, id);
}
