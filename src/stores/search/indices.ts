import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Search, SearchFailure } from "./client.ts";

/** An index as the server describes it. */
export type Definition = {
  readonly settings: { readonly index: Readonly<Record<string, unknown>> };
  readonly mappings: Readonly<Record<string, unknown>>;
  readonly aliases: Readonly<Record<string, unknown>>;
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

/** Names and patterns of a store as the server takes them, ours left out. */
export const expressionOf = (indices: readonly string[]): string =>
  [...indices, `-${OWN}*`].join(",");

export const pathOf = (index: string): string => `/${encodeURIComponent(index)}`;

/** What is live, by name. */
export async function definitionsOf(
  search: Search,
  indices: readonly string[],
  run: Run,
  whose: "the application's" | "ours too" = "the application's",
): Promise<ReadonlyMap<string, Definition>> {
  const expression = whose === "ours too" ? indices.join(",") : expressionOf(indices);
  const path = `${pathOf(expression)}?ignore_unavailable=true&expand_wildcards=open`;
  const asked = { method: "GET", path, what: "list indices" } as const;
  const found = (await search.found<Record<string, Definition>>(asked, run)) ?? {};
  const isWanted = (name: string): boolean => whose === "ours too" || !name.startsWith(OWN);
  return new Map(Object.entries(found).filter(([name]) => isWanted(name)));
}

export async function create(
  search: Search,
  index: string,
  { settings, mappings }: Definition,
  run: Run,
): Promise<void> {
  const kept = Object.entries(settings.index).filter(([key]) => !PRIVATE.has(key));
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

/** Of all that was written, seen or not; or of those with this value in this field. */
export async function count(
  search: Search,
  index: string,
  run: Run,
  term?: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const what = `count ${index}`;
  const refresh = { method: "POST", path: `${pathOf(index)}/_refresh`, what } as const;
  if ((await search.found(refresh, run)) === undefined) return undefined;
  const body = term === undefined ? {} : { body: JSON.stringify({ query: { term } }) };
  const asked = { method: "POST", path: `${pathOf(index)}/_count`, what, ...body } as const;
  return (await search.found<{ count: number }>(asked, run))?.count;
}

/** An index whose documents lie as they are can be copied by links to its files. */
export async function block(
  search: Search,
  index: string,
  isBlocked: boolean,
  run: Run,
): Promise<void> {
  const body = JSON.stringify({ index: { "blocks.write": isBlocked ? true : null } });
  const what = `${isBlocked ? "block" : "open"} ${index}`;
  await search.found({ method: "PUT", path: `${pathOf(index)}/_settings`, body, what }, run);
}

/** What an index has that no copy of it takes over by itself. */
export type Dress = {
  readonly aliases: Readonly<Record<string, unknown>>;
  readonly replicas: unknown;
  readonly refresh: unknown;
};

export const BARE: Dress = { aliases: {}, replicas: "0", refresh: "-1" };

export const dressOf = ({ settings, aliases }: Definition): Dress => ({
  aliases,
  replicas: settings.index["number_of_replicas"] ?? null,
  refresh: settings.index["refresh_interval"] ?? null,
});

/**
 * Makes a copy of an index that nobody can write to, by links to the same files. What is there of that
 * name goes first. UNHEALTHY when it has not as many documents.
 */
export async function clone(
  search: Search,
  from: string,
  to: string,
  { aliases, replicas, refresh }: Dress,
  run: Run,
): Promise<void> {
  const what = `copy ${from} to ${to}`;
  const wanted = await count(search, from, run);
  if (wanted === undefined) throw new AppError("NOT_FOUND", `${what}: it is not there any more`);
  await remove(search, to, run);
  const settings = {
    "index.blocks.write": null,
    "index.number_of_replicas": replicas,
    "index.refresh_interval": refresh,
  };
  const path = `${pathOf(from)}/_clone${pathOf(to)}?wait_for_active_shards=1`;
  const body = JSON.stringify({ settings, aliases });
  await orExists(search.json({ method: "POST", path, body, what }, run));
  const health = `/_cluster/health${pathOf(to)}?wait_for_status=yellow&timeout=60s`;
  const { timed_out: isLate } = await search.json<{ timed_out: boolean }>(
    { method: "GET", path: health, what },
    run,
  );
  const found = isLate ? undefined : await count(search, to, run);
  if (found === wanted) return;
  throw new AppError("UNHEALTHY", `${what}: ${found ?? "no"} documents, not ${wanted}`);
}

/** The answer to the first request may have been lost: what it made is looked at afterwards. */
async function orExists(asked: Promise<unknown>): Promise<void> {
  await asked.catch((error: unknown) => {
    const isThere =
      error instanceof SearchFailure && error.type === "resource_already_exists_exception";
    if (!isThere) throw error;
  });
}
