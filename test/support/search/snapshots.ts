import { createIndex, indexOf, named, SearchError, type State } from "./indices.ts";
import type { Doc } from "./indices.ts";

type Kept = {
  settings: Record<string, unknown>;
  mappings: Record<string, unknown>;
  aliases: Record<string, unknown>;
  docs: Map<string, Doc>;
};

type Snapshot = {
  readonly name: string;
  state: string;
  readonly indices: Map<string, Kept>;
  polls: number;
};

export type Snapshots = Map<string, Map<string, Snapshot>>;

/** As it is without `path.repo`: https://www.elastic.co/docs, and the compose file of RAGFlow. */
export function register(repositories: Snapshots, name: string, hasPathRepo: boolean): object {
  if (!hasPathRepo) {
    const reason = `[${name}] location [x] doesn't match any of the locations specified by path.repo because this setting is empty`;
    throw new SearchError(500, "repository_exception", reason);
  }
  repositories.set(name, repositories.get(name) ?? new Map());
  return { acknowledged: true };
}

export function repository(repositories: Snapshots, name: string): Map<string, Snapshot> {
  const found = repositories.get(name);
  if (found !== undefined) return found;
  throw new SearchError(404, "repository_missing_exception", `[${name}] missing`);
}

export function take(
  state: State,
  within: Map<string, Snapshot>,
  name: string,
  expression: string,
  ends: string,
): object {
  if (within.has(name)) {
    const reason = `[repo:${name}] Invalid snapshot name [${name}], snapshot with the same name already exists`;
    throw new SearchError(400, "invalid_snapshot_name_exception", reason);
  }
  const indices = new Map<string, Kept>();
  for (const one of named(state, expression)) {
    const { settings, mappings, aliases, docs } = indexOf(state, one);
    indices.set(one, {
      settings: { ...settings },
      mappings,
      aliases: { ...aliases },
      docs: new Map(docs),
    });
  }
  within.set(name, { name, state: ends, indices, polls: 2 });
  return { accepted: true };
}

const describe = ({ name, state, indices, polls }: Snapshot): object => ({
  snapshot: name,
  uuid: `uuid-${name}`,
  state: polls > 0 ? "IN_PROGRESS" : state,
  indices: [...indices.keys()],
  failures:
    state === "PARTIAL" && polls === 0
      ? [{ index: [...indices.keys()][0], reason: "node left" }]
      : [],
  shards: { total: indices.size, failed: state === "PARTIAL" ? 1 : 0, successful: indices.size },
});

export function get(within: Map<string, Snapshot>, name: string): object {
  const pattern = new RegExp(`^${name.replaceAll("*", ".*")}$`);
  const found = [...within.values()].filter((one) => pattern.test(one.name));
  if (found.length === 0 && !name.includes("*")) {
    throw new SearchError(404, "snapshot_missing_exception", `[repo:${name}] is missing`);
  }
  for (const one of found) one.polls = Math.max(0, one.polls - 1);
  return { snapshots: found.map(describe), total: found.length, remaining: 0 };
}

type Restore = {
  indices: string;
  rename_pattern: string;
  rename_replacement: string;
  include_aliases: boolean;
  index_settings: Record<string, unknown>;
};

export function restoreFrom(
  state: State,
  within: Map<string, Snapshot>,
  name: string,
  body: Restore,
): object {
  const snapshot = within.get(name);
  if (snapshot === undefined) {
    throw new SearchError(
      404,
      "snapshot_restore_exception",
      `[repo:${name}] snapshot does not exist`,
    );
  }
  const wanted = body.indices.split(",");
  for (const [index, kept] of snapshot.indices) {
    if (!wanted.includes(index)) continue;
    const target = index.replace(new RegExp(body.rename_pattern), body.rename_replacement);
    if (state.indices.has(target)) {
      const reason = `cannot restore index [${target}] because an open index with same name already exists in the cluster`;
      throw new SearchError(500, "snapshot_restore_exception", reason);
    }
    const {
      uuid: _1,
      creation_date: _2,
      provided_name: _3,
      "version.created": _4,
      ...settings
    } = kept.settings;
    const aliases = body.include_aliases ? kept.aliases : {};
    createIndex(state, target, {
      settings: { ...settings, ...body.index_settings },
      mappings: kept.mappings,
      aliases,
    });
    const made = indexOf(state, target);
    made.docs = new Map(kept.docs);
    made.visible = new Map(kept.docs);
  }
  return { accepted: true };
}
