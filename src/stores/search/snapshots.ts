import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { type Search, SearchFailure } from "./client.ts";
import { IGNORED_AT_RESTORE, isWell, pathOf } from "./indices.ts";

/** The server's own snapshots, in a repository that it knows. */
export type Snapshots = {
  readonly repository: string;
  /** Why it is not whole; undefined: it is. */
  take(
    name: string,
    indices: string,
    run: Run,
  ): Promise<{ problem: string | undefined; indices: readonly string[]; bytes: number }>;
  /** It is no error when it is not there. */
  remove(name: string, run: Run): Promise<void>;
  /** Makes indices of a snapshot under other names. NOT_FOUND, UNHEALTHY. */
  restore(
    name: string,
    indices: readonly string[],
    nameOf: (index: string) => string,
    run: Run,
  ): Promise<void>;
};

type Described = {
  readonly state: string;
  readonly indices: readonly string[];
  readonly failures?: readonly { readonly index?: string; readonly reason?: string }[];
};

const POLL_MS = 500;

export function snapshotsIn(
  search: Search,
  { repository, location }: { readonly repository: string; readonly location?: string | undefined },
): Snapshots {
  const at = `/_snapshot${pathOf(repository)}`;
  return {
    repository,
    async take(name, indices, run) {
      await register(search, at, repository, location, run);
      const what = `take snapshot ${name}`;
      const body = JSON.stringify({
        indices,
        include_global_state: false,
        partial: false,
        expand_wildcards: "open,hidden",
      });
      const path = `${at}${pathOf(name)}`;
      // Not waited for by the server: a connection that is cut would tell nothing.
      await search
        .json({ method: "PUT", path: `${path}?wait_for_completion=false`, body, what }, run)
        .catch((error: unknown) => {
          // The answer to the first request was lost.
          const isThere =
            error instanceof SearchFailure && error.type === "invalid_snapshot_name_exception";
          if (!isThere) throw error;
        });
      for (;;) {
        const asked = { method: "GET", path, what } as const;
        const { snapshots } = await search.json<{ snapshots: Described[] }>(asked, run);
        const { state = "MISSING", indices: taken = [], failures = [] } = snapshots[0] ?? {};
        if (state !== "IN_PROGRESS") {
          const why =
            failures[0] === undefined ? "" : `: ${failures[0].index}: ${failures[0].reason}`;
          const problem = state === "SUCCESS" ? undefined : `snapshot ${name} is ${state}${why}`;
          return { problem, indices: taken, bytes: 0 };
        }
        await sleep(POLL_MS, undefined, { signal: run.signal });
      }
    },
    async remove(name, run) {
      const path = `${at}${pathOf(name)}`;
      await search.found({ method: "DELETE", path, what: `remove snapshot ${name}` }, run);
    },
    restore: (name, indices, nameOf, run) => restoreAs(search, at, name, indices, nameOf, run),
  };
}

async function restoreAs(
  search: Search,
  at: string,
  name: string,
  indices: readonly string[],
  nameOf: (index: string) => string,
  run: Run,
): Promise<void> {
  const prefix = nameOf("");
  const what = `restore snapshot ${name}`;
  const body = JSON.stringify({
    indices: indices.join(","),
    rename_pattern: "(.+)",
    rename_replacement: `${prefix}$1`,
    include_aliases: false,
    include_global_state: false,
    index_settings: { "index.number_of_replicas": "0" },
    ignore_index_settings: IGNORED_AT_RESTORE,
  });
  const path = `${at}${pathOf(name)}/_restore?wait_for_completion=false`;
  await search.json({ method: "POST", path, body, what }, run).catch((error: unknown) => {
    const isOurs =
      error instanceof SearchFailure && error.message.includes("open index with same name");
    if (!isOurs) throw error;
  });
  for (const index of indices) await waitForIndex(search, nameOf(index), run);
}

const POLLS_UNCHANGED_MAX = 5;
const POLL_SECONDS = 60;

/** As long as more of it comes. UNHEALTHY. */
async function waitForIndex(search: Search, index: string, run: Run): Promise<void> {
  const asked = {
    method: "GET",
    path: `${pathOf(index)}/_recovery`,
    what: `wait for ${index}`,
  } as const;
  let [before, unchanged] = ["", 0];
  while (!(await isWell(search, index, POLL_SECONDS, run))) {
    const now = JSON.stringify((await search.found(asked, run)) ?? {});
    unchanged = now === before ? unchanged + 1 : 0;
    before = now;
    if (unchanged < POLLS_UNCHANGED_MAX) continue;
    throw new AppError("UNHEALTHY", `restore ${index} from a snapshot: nothing more comes of it`, {
      hint: "See why: GET /_cluster/allocation/explain",
    });
  }
}

/** By the operator, or here where its place is configured. NOT_FOUND. */
async function register(
  search: Search,
  path: string,
  repository: string,
  location: string | undefined,
  run: Run,
): Promise<void> {
  const what = `find the repository ${repository}`;
  if (location === undefined) {
    const found = await search.found({ method: "GET", path, what }, run);
    if (found !== undefined) return;
    throw new AppError("SOURCE_FAILED", `${what}: the server has none of this name`, {
      hint: "Register it, or say where it shall be: snapshots: { repository: NAME, location: FOLDER }.",
    });
  }
  const body = JSON.stringify({ type: "fs", settings: { location, compress: true } });
  await search.json({ method: "PUT", path, body, what: `register ${repository}` }, run);
}
