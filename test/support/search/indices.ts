/** What an index has; documents by id, in the order in which they came. */
export type Index = {
  settings: Record<string, unknown>;
  mappings: Record<string, unknown>;
  aliases: Record<string, unknown>;
  /** All that was written, and what searches see since the last refresh. */
  docs: Map<string, Doc>;
  visible: Map<string, Doc>;
};

/** The source as it was sent, to the byte. */
export type Doc = { readonly source: string; readonly routing: string | undefined };

/** An error as the specification has it. */
export class SearchError extends Error {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, reason: string) {
    super(reason);
    this.status = status;
    this.type = type;
  }

  get body(): object {
    const one = { type: this.type, reason: this.message };
    return { error: { root_cause: [one], ...one }, status: this.status };
  }
}

export type State = {
  readonly indices: Map<string, Index>;
  /** Points in time and scrolls: what was visible when they were opened. */
  readonly views: Map<string, View>;
  /** Bulk requests that are still answered for each document with 429. */
  rejects: number;
  nextId: number;
};

export type View = {
  readonly docs: readonly (readonly [index: string, id: string, doc: Doc])[];
  /** Of a scroll: how far it is. */
  at: number;
  readonly size: number;
};

export function newState(): State {
  return { indices: new Map(), views: new Map(), rejects: 0, nextId: 1 };
}

const asPattern = (text: string): RegExp =>
  new RegExp(`^${text.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);

/** Names, patterns with *, and those that begin with - taken out; aliases lead to their indices. */
export function named({ indices }: State, expression: string): string[] {
  let found = new Set<string>();
  for (const part of expression.split(",")) {
    if (part.startsWith("-")) {
      found = new Set([...found].filter((name) => !asPattern(part.slice(1)).test(name)));
      continue;
    }
    const pattern = asPattern(part);
    const hits = [...indices].filter(
      ([name, { aliases }]) =>
        pattern.test(name) || Object.keys(aliases).some((a) => pattern.test(a)),
    );
    if (hits.length === 0 && !part.includes("*")) throw missing(part);
    for (const [name] of hits) found.add(name);
  }
  return [...found].toSorted();
}

export const missing = (name: string): SearchError =>
  new SearchError(404, "index_not_found_exception", `no such index [${name}]`);

export function indexOf(state: State, name: string): Index {
  const [found] = named(state, name);
  if (found === undefined) throw missing(name);
  return state.indices.get(found)!;
}

type IndexBody = {
  settings?: Record<string, unknown>;
  mappings?: Record<string, unknown>;
  aliases?: Record<string, unknown>;
};

/** Settings come flat, nested, or below "index": they are kept below it, flat. */
function flat(settings: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const walk = (value: unknown, at: string): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const [key, below] of Object.entries(value))
        walk(below, at === "" ? key : `${at}.${key}`);
    } else out[at.replace(/^index\./, "")] = value === null ? null : asText(value);
  };
  walk(settings, "");
  return out;
}

const asText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

/** Those that only the server may set. */
const PRIVATE = ["uuid", "creation_date", "provided_name", "version.created"];

export function createIndex(state: State, name: string, body: IndexBody): void {
  if (state.indices.has(name)) {
    const reason = `index [${name}/x] already exists`;
    throw new SearchError(400, "resource_already_exists_exception", reason);
  }
  if (name !== name.toLowerCase() || /^[-_+]|[\\/*?"<>| ,#:]/.test(name)) {
    throw new SearchError(400, "invalid_index_name_exception", `Invalid index name [${name}]`);
  }
  const settings = flat(body.settings ?? {});
  const own = PRIVATE.find((key) => key in settings);
  if (own !== undefined) {
    const reason = `private index setting [index.${own}] can not be set explicitly`;
    throw new SearchError(400, "validation_exception", reason);
  }
  state.indices.set(name, {
    settings: {
      number_of_shards: "1",
      number_of_replicas: "1",
      ...settings,
      uuid: `u${state.nextId++}`,
      creation_date: "1",
      provided_name: name,
      "version.created": "8110399",
    },
    mappings: body.mappings ?? {},
    aliases: body.aliases ?? {},
    docs: new Map(),
    visible: new Map(),
  });
}

const isBlocked = ({ settings }: Index): boolean => settings["blocks.write"] === "true";

/** https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-clone */
export function cloneIndex(state: State, from: string, to: string, body: IndexBody): void {
  const source = indexOf(state, from);
  if (!isBlocked(source)) {
    const reason = `index ${from} must block write operations to resize index. use "index.blocks.write=true"`;
    throw new SearchError(500, "illegal_state_exception", reason);
  }
  const left = [...PRIVATE, "number_of_replicas", "auto_expand_replicas"];
  const kept = Object.entries(source.settings).filter(([key]) => !left.includes(key));
  const settings = Object.fromEntries(kept);
  createIndex(state, to, { settings, mappings: source.mappings, aliases: body.aliases ?? {} });
  changeSettings(indexOf(state, to), body.settings ?? {});
  const made = indexOf(state, to);
  made.docs = new Map(source.docs);
  made.visible = new Map(source.docs);
}

export function changeSettings(index: Index, settings: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(flat(settings))) {
    if (value === null) delete index.settings[key];
    else index.settings[key] = value;
  }
}

type Action = { add: { index: string; alias: string; is_write_index?: boolean } };

/** All or none: of an alias only one index may be the one to write to. */
export function changeAliases(state: State, { actions }: { actions: Action[] }): object {
  for (const { add } of actions) {
    const { index, alias, ...how } = add;
    const others = [...state.indices].filter(([name]) => name !== index);
    const isTaken = others.some(
      ([, one]) => (one.aliases[alias] as Action["add"] | undefined)?.is_write_index === true,
    );
    if (isTaken && how.is_write_index === true) {
      const reason = `alias [${alias}] has more than one write index`;
      throw new SearchError(400, "illegal_state_exception", reason);
    }
    const found = indexOf(state, index);
    found.aliases = { ...found.aliases, [alias]: how };
  }
  return { acknowledged: true };
}

export function definition(index: Index): object {
  return {
    aliases: index.aliases,
    mappings: index.mappings,
    settings: { index: unflat(index.settings) },
  };
}

function unflat(settings: Record<string, unknown>): object {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    const parts = key.split(".");
    let at = out;
    const last = parts.pop() ?? "";
    for (const part of parts) {
      const below = (at[part] ?? {}) as Record<string, unknown>;
      at = at[part] = below;
    }
    at[last] = value;
  }
  return out;
}

/** All that searches see, or those that have this value in this field. */
export function countIn(
  state: State,
  expression: string,
  { query }: { query?: { term?: Record<string, string> } },
): number {
  const wanted = Object.entries(query?.term ?? {});
  const fits = ({ source }: Doc): boolean => {
    if (wanted.length === 0) return true;
    const document = JSON.parse(source) as Record<string, unknown>;
    return wanted.every(([field, value]) => document[field] === value);
  };
  const all = named(state, expression).flatMap((name) => [
    ...indexOf(state, name).visible.values(),
  ]);
  return all.filter(fits).length;
}

export function refresh(index: Index): void {
  index.visible = new Map(index.docs);
}

/** Two lines a document; what cannot be written is said in its item, with status 200 for all. */
export function bulk(state: State, name: string, text: string): object {
  const index = indexOf(state, name);
  const lines = text.split("\n");
  const items: object[] = [];
  let errors = false;
  const rejects = state.rejects > 0;
  if (rejects) state.rejects--;
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const { index: action } = JSON.parse(lines[at]!) as {
      index: { _id: string; routing?: string };
    };
    const failure = isBlocked(index)
      ? {
          status: 403,
          error: { type: "cluster_block_exception", reason: `index [${name}] blocked` },
        }
      : rejects && at % 4 === 0
        ? {
            status: 429,
            error: { type: "es_rejected_execution_exception", reason: "queue is full" },
          }
        : undefined;
    errors ||= failure !== undefined;
    items.push({ index: { _index: name, _id: action._id, ...(failure ?? { status: 201 }) } });
    if (failure === undefined) {
      index.docs.set(action._id, { source: lines[at + 1]!, routing: action.routing });
    }
  }
  return { took: 1, errors, items };
}
