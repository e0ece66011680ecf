import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Search, SearchFailure } from "./client.ts";

/** An index as the server describes it. */
export type Definition = {
  readonly settings: { readonly index: Readonly<Record<string, unknown>> };
  readonly mappings: Readonly<Record<string, unknown>>;
  readonly aliases: Readonly<Record<string, unknown>>;
  /** The data stream that it is part of. */
  readonly data_stream?: string;
};

/** Indices whose names begin so are versions of ours, and part of no point. */
export const OWN = "lastgood-";

/** Settings that the server makes itself, and that nobody else may give it. */
const PRIVATE: ReadonlySet<string> = new Set([
  "uuid",
  "history_uuid",
  "creation_date",
  "creation_date_string",
  "provided_name",
  "version",
  "resize",
  "blocks",
  "verified_before_close",
]);

/** Settings by which the server does something with an index or its documents by itself. */
const ACTING: readonly string[] = [
  "lifecycle",
  "default_pipeline",
  "final_pipeline",
  "auto_expand_replicas",
];
/** The same, each on its own, as they are taken away. */
const ACTING_KEYS = [
  "lifecycle.name",
  "lifecycle.rollover_alias",
  "default_pipeline",
  "final_pipeline",
] as const;

export const IGNORED_AT_RESTORE: readonly string[] = [...ACTING_KEYS, "auto_expand_replicas"].map(
  (key) => `index.${key}`,
);

/** Names and patterns of a store as the server takes them, ours left out. */
export const expressionOf = (indices: readonly string[]): string =>
  [...indices, `-${OWN}*`].join(",");

export const pathOf = (index: string): string => `/${encodeURIComponent(index)}`;

/** Whether a name is one of those, or fits one of the patterns with *. */
function isNamed(name: string, indices: readonly string[]): boolean {
  return indices.some((pattern) => {
    const parts = pattern.split("*").map((part) => part.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`).test(name);
  });
}

/**
 * What is live, by name; closed and hidden ones too. An alias that fits a pattern leads to indices that do
 * not: those are somebody else's.
 */
export async function definitionsOf(
  search: Search,
  indices: readonly string[],
  run: Run,
  whose: "the application's" | "ours too" = "the application's",
): Promise<ReadonlyMap<string, Definition>> {
  const expression = whose === "ours too" ? indices.join(",") : expressionOf(indices);
  const path = `${pathOf(expression)}?ignore_unavailable=true&expand_wildcards=all`;
  const asked = { method: "GET", path, what: "list indices" } as const;
  const found = (await search.found<Record<string, Definition>>(asked, run)) ?? {};
  const isOurs = (name: string): boolean => whose === "ours too" || !name.startsWith(OWN);
  return new Map(Object.entries(found).filter(([name]) => isOurs(name) && isNamed(name, indices)));
}

/** Why an index cannot be kept or replaced, in a word; undefined: it can. */
export function obstacleOf({ settings, data_stream: stream }: Definition): string | undefined {
  if (settings.index["verified_before_close"] === "true") return "is_closed";
  return stream === undefined ? undefined : "is_of_a_data_stream";
}

/** Whether documents are kept as they were sent, and can be had again. */
export function hasWholeSource({ mappings }: Definition): boolean {
  const { enabled, includes, excludes } = (mappings["_source"] ?? {}) as Record<string, unknown>;
  return enabled !== false && includes === undefined && excludes === undefined;
}

/** An index for documents, in which nothing acts on them. */
export async function create(
  search: Search,
  index: string,
  { settings, mappings }: Definition,
  run: Run,
): Promise<void> {
  const kept = Object.entries(settings.index).filter(
    ([key]) => !PRIVATE.has(key) && !ACTING.includes(key),
  );
  const { routing: _, ...own } = Object.fromEntries(kept);
  // Nobody searches it while it is filled.
  const loading = { ...own, number_of_replicas: "0", refresh_interval: "-1" };
  const body = JSON.stringify({ settings: { index: loading }, mappings });
  const asked = { method: "PUT", path: pathOf(index), body, what: `make index ${index}` } as const;
  await orExists(search.json(asked, run));
}

export async function remove(search: Search, index: string, run: Run): Promise<void> {
  const path = pathOf(index);
  await search.found({ method: "DELETE", path, what: `remove index ${index}` }, run);
}

/** Has searches see all that was written. SOURCE_FAILED when not all of it can be. */
export async function refresh(search: Search, index: string, run: Run): Promise<boolean> {
  const what = `refresh ${index}`;
  const asked = { method: "POST", path: `${pathOf(index)}/_refresh`, what } as const;
  const found = await search.found<{ _shards: { failed: number } }>(asked, run);
  if (found === undefined) return false;
  const { failed } = found._shards;
  if (failed > 0) throw new AppError("SOURCE_FAILED", `${what}: ${failed} shards did not answer`);
  return true;
}

/** Of all that was written, seen or not; or of those with this value in this field. */
export async function count(
  search: Search,
  index: string,
  run: Run,
  term?: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const what = `count ${index}`;
  if (!(await refresh(search, index, run))) return undefined;
  const body = term === undefined ? {} : { body: JSON.stringify({ query: { term } }) };
  const asked = { method: "POST", path: `${pathOf(index)}/_count`, what, ...body } as const;
  return (await search.found<{ count: number }>(asked, run))?.count;
}

/** An index whose documents lie as they are can be copied by links to its files. */
export async function block(
  search: Search,
  index: string,
  blocked: unknown,
  run: Run,
): Promise<void> {
  const body = JSON.stringify({ index: { "blocks.write": blocked } });
  const what = `${blocked === true ? "block" : "open"} ${index}`;
  await search.found({ method: "PUT", path: `${pathOf(index)}/_settings`, body, what }, run);
}

/** What a live index has and a version has not, or has in another way. */
export type Dress = {
  readonly aliases: Readonly<Record<string, unknown>>;
  /** Below `index`. */
  readonly settings: Readonly<Record<string, unknown>>;
};

/** Of a version: nothing acts on it, and there is one of it. */
export const BARE: Dress = {
  aliases: {},
  settings: {
    ...Object.fromEntries(ACTING_KEYS.map((key) => [key, null])),
    auto_expand_replicas: "false",
    number_of_replicas: "0",
    refresh_interval: "-1",
    "blocks.write": null,
  },
};

export function dressOf({ settings: { index }, aliases }: Definition): Dress {
  const acting = ACTING.flatMap((key) => (key in index ? [[key, index[key]] as const] : []));
  const blocks = index["blocks"] as Readonly<Record<string, unknown>> | undefined;
  return {
    aliases,
    settings: {
      auto_expand_replicas: null,
      ...Object.fromEntries(acting),
      number_of_replicas: index["number_of_replicas"] ?? null,
      refresh_interval: index["refresh_interval"] ?? null,
      "blocks.write": blocks?.["write"] ?? null,
    },
  };
}

/** Gives indices their aliases, all at once: only one of an alias may be the one to write to. */
export async function giveAliases(
  search: Search,
  indices: readonly { readonly index: string; readonly aliases: Dress["aliases"] }[],
  run: Run,
): Promise<void> {
  const actions = indices.flatMap(({ index, aliases }) =>
    Object.entries(aliases).map(([alias, how]) => ({ add: { index, alias, ...(how as object) } })),
  );
  if (actions.length === 0) return;
  const body = JSON.stringify({ actions });
  await search.json({ method: "POST", path: "/_aliases", body, what: "give aliases" }, run);
}

/**
 * Makes a copy of an index that nobody can write to, by links to the same files. What is there of that
 * name goes first. UNHEALTHY when it has not as many documents.
 */
export async function clone(
  search: Search,
  from: string,
  to: string,
  { settings: index }: Pick<Dress, "settings">,
  run: Run,
): Promise<void> {
  const what = `copy ${from} to ${to}`;
  const wanted = await count(search, from, run);
  if (wanted === undefined) throw new AppError("NOT_FOUND", `${what}: it is not there any more`);
  await remove(search, to, run);
  // A block at once would keep its documents from being counted as they are.
  const settings = { index: { ...index, "blocks.write": null } };
  const path = `${pathOf(from)}/_clone${pathOf(to)}?wait_for_active_shards=1`;
  const body = JSON.stringify({ settings });
  await orExists(search.json({ method: "POST", path, body, what }, run));
  const found = (await isWell(search, to, 60, run)) ? await count(search, to, run) : undefined;
  if (found === wanted) return;
  throw new AppError("UNHEALTHY", `${what}: ${found ?? "no"} documents, not ${wanted}`);
}

/** Whether all of an index is there within so many seconds. */
export async function isWell(
  search: Search,
  index: string,
  seconds: number,
  run: Run,
): Promise<boolean> {
  const path = `/_cluster/health${pathOf(index)}?wait_for_status=yellow&timeout=${seconds}s`;
  const asked = { method: "GET", path, what: `wait for ${index}` } as const;
  try {
    return !(await search.json<{ timed_out: boolean }>(asked, run)).timed_out;
  } catch (error) {
    // That it took too long is an error of its own.
    if (error instanceof SearchFailure && error.status === 408) return false;
    throw error;
  }
}

/** The answer to the first request may have been lost: what it made is looked at afterwards. */
async function orExists(asked: Promise<unknown>): Promise<void> {
  await asked.catch((error: unknown) => {
    const isThere =
      error instanceof SearchFailure && error.type === "resource_already_exists_exception";
    if (!isThere) throw error;
  });
}
