import path from "node:path";
import type { Run } from "../../base/events.ts";
import type { Store } from "../../stores/store.ts";
import { bad, type Check, GOOD, unknown } from "../../checks/check.ts";
import { commandCheck } from "../../checks/command.ts";
import { httpCheck } from "../../checks/http.ts";
import { logCheck } from "../../checks/log.ts";
import { relationCheck } from "../../checks/relation.ts";
import { rowsCheck, sqlCheck } from "../../checks/sql.ts";
import { tcpCheck } from "../../checks/tcp.ts";
import { versionCheck } from "../../checks/version.ts";
import type { CheckConfig, ComponentConfig } from "../../config/schema.ts";
import type { Runner } from "../../runners/runner.ts";
import { type Target, versionOf } from "../../targets/target.ts";
import type { OpenStore, Surroundings } from "../components.ts";

/** What checks may look at besides their own settings. */
type Around = {
  readonly runner: Runner | undefined;
  readonly target: Target | undefined;
  readonly config: Pick<ComponentConfig, "stores">;
  readonly stores: readonly OpenStore[];
  readonly surroundings: Surroundings;
};

const RELEASE = "{release}";

/** `{release}` in a check is the release that is live when it is asked. */
export function openCheck(config: CheckConfig, around: Around): Check {
  const text = JSON.stringify(config);
  if (!text.includes(RELEASE)) return openPlain(config, around);
  // One check a release: what it has seen since its beginning is its own.
  const opened = new Map<string, Check>();
  const current = async (): Promise<Check | undefined> => {
    const live = await liveRelease(around.target);
    if (live === undefined) return undefined;
    const filledIn = JSON.parse(text.replaceAll(RELEASE, live)) as CheckConfig;
    const check = opened.get(live) ?? openPlain(filledIn, around);
    opened.set(live, check);
    return check;
  };
  return {
    ...(config.relation === undefined ? {} : { isThorough: true as const }),
    begin: async (run) => await (await current())?.begin?.(run),
    ask: async (run) => (await current())?.ask(run) ?? unknown("no release is live"),
  };
}

async function liveRelease(target: Target | undefined): Promise<string | undefined> {
  return target === undefined ? undefined : versionOf((await target.pointers()).current);
}

function openPlain(config: CheckConfig, around: Around): Check {
  const { timeout: timeoutMs } = config;
  const { folder, clock } = around.surroundings;
  if (config.command !== undefined) return commandCheck(config.command, folder, timeoutMs);
  if (config.tcp !== undefined) return tcpCheck(config.tcp, timeoutMs);
  if (config.http !== undefined) return openHttp(config, config.http);
  if (config.version !== undefined) return openVersion(config.version, timeoutMs, around);
  if (config.log !== undefined) {
    const { file, unit, bad: pattern } = config.log;
    const from = file === undefined ? { unit: unit! } : { file };
    return logCheck({ from, bad: new RegExp(pattern, "u"), clock, timeoutMs });
  }
  if (config.sql !== undefined) {
    const { store, query, ...expectation } = config.sql;
    const file = around.config.stores[store]?.sqlite;
    if (file !== undefined) return sqlCheck(file, query, expectation, timeoutMs);
    return rowsCheck((run) => rowsOf(around, store, query, run), expectation);
  }
  if (config.relation !== undefined) return openRelation(config.relation, around);
  return runnerCheck(around.runner);
}

const rowsOf = async (
  around: Around,
  name: string,
  query: string,
  run: Run,
): Promise<readonly (readonly string[])[]> => {
  const { rows } = storeOf(around, name);
  if (rows === undefined) throw new Error(`store ${name} is no database`);
  return await rows(query, run);
};

function storeOf({ stores }: Around, name: string): Store {
  const found = stores.find(({ store }) => store.name.endsWith(`/${name}`));
  if (found === undefined) throw new Error(`there is no store ${name}`);
  return found.store;
}

function openRelation(
  { rows: from, query, objects, documents, field, timeout }: NonNullable<CheckConfig["relation"]>,
  around: Around,
): Check {
  const common = {
    timeoutMs: timeout,
    rows: (run: Run) => rowsOf(around, from, query, run),
  };
  if (documents !== undefined) {
    return relationCheck({
      ...common,
      async count(index, value, run) {
        const { countOf } = storeOf(around, documents);
        if (countOf === undefined) throw new Error(`store ${documents} has no documents`);
        return await countOf(index, field!, value, run);
      },
    });
  }
  return relationCheck({
    ...common,
    async sizes(run) {
      const { sizes } = storeOf(around, objects!);
      if (sizes === undefined) throw new Error(`store ${objects} has no objects`);
      return await sizes(run);
    },
  });
}

function openHttp(config: CheckConfig, http: NonNullable<CheckConfig["http"]>): Check {
  const { status, headers, json, timeout: timeoutMs } = config;
  const common = { status, headers, json, timeoutMs, latencyMsMax: config["max-latency"] };
  const request = typeof http === "string" ? { get: http } : http;
  return "get" in request
    ? httpCheck({ url: request.get, method: "GET", ...common })
    : httpCheck({ url: request.post, method: "POST", body: request.body, ...common });
}

function openVersion(
  { http, field, "release-file": file, command }: NonNullable<CheckConfig["version"]>,
  timeoutMs: number,
  { target, surroundings }: Around,
): Check {
  const expected = (): Promise<string | undefined> => liveRelease(target);
  if (http !== undefined) return versionCheck({ from: { http, field }, expected, timeoutMs });
  if (command !== undefined) {
    const from = { command, folder: surroundings.folder };
    return versionCheck({ from, expected, timeoutMs });
  }
  const inRelease = async (): Promise<string | undefined> =>
    target === undefined ? undefined : path.join(target.root, "current", file!);
  return versionCheck({ from: { file: inRelease }, expected, timeoutMs });
}

function runnerCheck(runner: Runner | undefined): Check {
  return {
    async ask(run) {
      if (runner === undefined) return unknown("the component has no run");
      try {
        return (await runner.isAlive(run))
          ? { ...GOOD, detail: "it runs" }
          : bad("it does not run");
      } catch (error) {
        run.signal.throwIfAborted();
        return unknown((error as Error).message);
      }
    },
  };
}
