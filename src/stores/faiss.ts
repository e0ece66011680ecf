import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { nothingThere } from "../base/errors.ts";
import { isMountPoint } from "../slots/place.ts";
import { type FaissHeader, readFaissHeader } from "./faiss-file.ts";
import { type FolderConfig, folderStore } from "./folder.ts";
import { queryNumber } from "./sqlite-file.ts";
import { errorWord, type Facts, type FileStore, type StoreContext } from "./store.ts";

export type FaissConfig = FolderConfig & {
  /** The index in the folder. */
  readonly indexFile: string;
  readonly expect: {
    readonly dimension?: number | undefined;
    readonly type?: string | undefined;
    readonly metric?: string | undefined;
    /** What made the vectors: only the side file `<index>.json` can say it. */
    readonly model?: string | undefined;
    /** Rows of which each has a vector. */
    readonly rows?: { readonly sqlite: string; readonly query: string } | undefined;
  };
};

/**
 * A folder with a FAISS index. What makes it useless without looking broken is refused: another
 * dimension, metric, type or embedding model, and rows without vectors.
 */
export function faissStore(config: FaissConfig, context: StoreContext): FileStore {
  const { name } = context;
  const { expect, indexFile } = config;
  let found: FaissHeader | string | undefined;
  // While it is held: what is read afterwards may be another one.
  const inspect = async (captured: string): Promise<string[]> => {
    found = await readFaissHeader(path.join(captured, indexFile));
    const problems = await problemsOf(captured, found, config);
    return problems.map((problem) => errorWord(name, problem));
  };
  const folder = folderStore(config, context, inspect);
  const ownName = path.basename(config.path);

  return {
    ...folder,
    kind: "faiss",

    async capture(into, at, run) {
      // Rows first: a vector without a row is an orphan, a row without a vector an error.
      const rows = rowsIn(expect.rows);
      const captured = await folder.capture(into, at, run);
      if (captured.facts === undefined) return captured;
      const errors = [...captured.errors];
      if (typeof found === "object" && rows !== undefined && found.count < rows) {
        errors.push(errorWord(name, `has_${found.count}_vectors_for_${rows}_rows`));
      }
      // A copy of a file that was written to meanwhile is one of two moments.
      const isTorn = captured.warnings.some(
        (line) => line.startsWith(`${indexFile}:`) || line.includes(`/${indexFile}:`),
      );
      if (isTorn) errors.push(errorWord(name, "changed_while_it_was_read"));
      return { ...captured, facts: { ...captured.facts, ...describe(found, rows) }, errors };
    },

    async validate(materialised, facts, run) {
      const root = (await isMountPoint(config.path))
        ? materialised
        : path.join(materialised, ownName);
      const problems = await folder.validate(materialised, facts, run);
      const header = await readFaissHeader(path.join(root, indexFile));
      const own = await problemsOf(root, header, config);
      // Only where it is to be live it has to fit what is live there.
      const isVersion = path.basename(materialised).startsWith("=");
      const unfit =
        typeof header === "object" && isVersion
          ? misfit(header, materialised, facts, config)
          : undefined;
      if (unfit !== undefined) own.push(unfit);
      return [...problems, ...own.map((problem) => errorWord(name, problem))];
    },
  };
}

function describe(
  found: FaissHeader | string | undefined,
  rows: number | undefined,
): Partial<Facts> {
  if (typeof found !== "object") return {};
  const { type, dimension, metric, count } = found;
  return {
    rows: { vectors: count, ...(rows === undefined ? {} : { known: rows }) },
    about: { type, metric, dimension },
  };
}

async function problemsOf(
  root: string,
  found: FaissHeader | string | undefined,
  { expect, indexFile }: FaissConfig,
): Promise<string[]> {
  if (found === undefined) return ["missing"];
  if (typeof found === "string") return [found];
  const model = expect.model === undefined ? undefined : await modelOf(path.join(root, indexFile));
  const differing = [
    ["dimension", String(found.dimension), expect.dimension],
    ["type", found.type, expect.type],
    ["metric", found.metric, expect.metric],
    ["model", model ?? "unknown", expect.model],
  ] as const;
  return differing
    .filter(([, is, shall]) => shall !== undefined && is !== String(shall))
    .map(([what, is, shall]) => `${what}_is_${is}_not_${shall}`);
}

async function modelOf(index: string): Promise<string | undefined> {
  const text = await readFile(`${index}.json`, "utf8").catch(nothingThere);
  try {
    const { model } = JSON.parse(text ?? "{}") as { model?: unknown };
    return typeof model === "string" ? model : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why it does not fit the rows beside which it would be live: those of the same version where they
 * come too, else those that are live. They may be as many as when it was captured: a vector without
 * a row does no harm.
 */
function misfit(
  { count }: FaissHeader,
  materialised: string,
  facts: Facts | undefined,
  { expect }: FaissConfig,
): string | undefined {
  const { rows } = expect;
  if (rows === undefined) return undefined;
  const base = path.basename(rows.sqlite);
  const beside = path.join(path.dirname(rows.sqlite), `.${base}.lastgood`);
  const same = path.join(beside, path.basename(materialised), base);
  const comesToo = existsSync(same);
  const known = rowsIn({ sqlite: comesToo ? same : rows.sqlite, query: rows.query });
  if (known === undefined || count === known) return undefined;
  const fits = known < count && (comesToo || known === facts?.rows?.["known"]);
  return fits ? undefined : `has_${count}_vectors_for_${known}_rows`;
}

function rowsIn(rows: FaissConfig["expect"]["rows"]): number | undefined {
  return rows === undefined || !existsSync(rows.sqlite)
    ? undefined
    : queryNumber(rows.sqlite, rows.query);
}
