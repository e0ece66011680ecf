import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { AppError, systemCode } from "../base/errors.ts";
import { explainIssue } from "./explain.ts";
import { type Config, configSchema, DEFAULT_STATE } from "./schema.ts";

export const CONFIG_NAME = "lastgood.yaml";

export type Loaded = {
  readonly config: Config;
  readonly file: string;
  /** The text as it stands in the file: it goes into every point. */
  readonly text: string;
};

/** Loads the named file, or lastgood.yaml here or in the nearest folder above. */
export async function loadConfig(named: string | undefined, folder: string): Promise<Loaded> {
  const file = named === undefined ? await findUpwards(folder) : path.resolve(folder, named);
  const text = await readText(file);
  return { config: parseConfig(text, file), file, text };
}

/** Where the state lies, read from a file that may be broken elsewhere. */
export async function findState(
  named: string | undefined,
  folder: string,
): Promise<{ state: string; folder: string }> {
  const file = named === undefined ? await findUpwards(folder) : path.resolve(folder, named);
  const text = await readText(file);
  const line = /^state:[ \t]*(["']?)(.+?)\1[ \t]*(#.*)?$/m.exec(text);
  const base = path.dirname(file);
  return { state: path.resolve(base, line?.[2] ?? DEFAULT_STATE), folder: base };
}

/** CONFIG_INVALID with file, line and column of the first mistake. */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    throw invalid(file, lines.linePos(syntax.pos[0]), syntax.message, 0);
  }
  const { data, error } = configSchema.safeParse(document.toJS());
  if (data !== undefined) return withAbsolutePaths(data, path.dirname(file));
  // A typing error in a key mostly is why another one seems to be missing.
  const first = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0]!;
  const { message, at, what } = explainIssue(first, configSchema);
  throw invalid(file, positionOf(document, at, what, lines), message, error.issues.length - 1);
}

/** By the dotted path of each value that stands in a file: its line there. What is not in it is by default. */
export function linesOf(text: string): Record<string, number> {
  const counter = new LineCounter();
  const found: Record<string, number> = {};
  const visit = (node: unknown, at: string): void => {
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        visit(value, at === "" ? String(key) : `${at}.${String(key)}`);
      }
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) visit(item, `${at}.${index}`);
    } else if (isNode(node) && node.range) found[at] = counter.linePos(node.range[0]).line;
  };
  visit(parseDocument(text, { lineCounter: counter }).contents, "");
  return found;
}

/** Whether one of the keys stands in the file, whatever it says: what has a default is always in the configuration. */
export function hasAnyKey({ text }: Loaded, keys: readonly string[]): boolean {
  const document = parseDocument(text);
  return keys.some((key) => document.has(key));
}

async function findUpwards(folder: string): Promise<string> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const file = path.join(at, CONFIG_NAME);
    if ((await readFile(file).catch(() => undefined)) !== undefined) return file;
    if (at === path.dirname(at)) break;
  }
  throw new AppError("NOT_FOUND", `load ${CONFIG_NAME}: not in ${folder} nor above it`, {
    hint: "Make one with lastgood init, or name it: lastgood -c FILE …",
  });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const problem = code === "ENOENT" ? "there is no such file" : (error as Error).message;
    throw new AppError("NOT_FOUND", `load ${file}: ${problem}`, {
      hint: "Make one with lastgood init.",
      cause: error,
    });
  }
}

function positionOf(
  document: Document,
  at: readonly PropertyKey[],
  what: "key" | "value",
  lines: LineCounter,
): { line: number; col: number } {
  const parent = document.getIn(at.slice(0, -1), true) ?? document.contents;
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => String(key) === at.at(-1))
    : undefined;
  if (what === "key" && isScalar(pair?.key) && pair.key.range)
    return lines.linePos(pair.key.range[0]);
  // A key that is missing has no place; the nearest thing around it has.
  for (let length = at.length; length > 0; length--) {
    const node = document.getIn(at.slice(0, length), true) as { range?: [number] } | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]);
  }
  return { line: 1, col: 1 };
}

function invalid(
  file: string,
  { line, col }: { line: number; col: number },
  message: string,
  more: number,
): AppError {
  const others = more === 0 ? "" : ` (and ${more} more)`;
  return new AppError("CONFIG_INVALID", `${file}:${line}:${col}: ${message}${others}`, {
    hint: "docs/configuration.md explains every key; lastgood config --schema prints them for editors.",
  });
}

/** Relative paths are meant from the folder of the file, wherever lastgood is started. */
function withAbsolutePaths(config: Config, folder: string): Config {
  const PATH_KEYS = new Set([
    "state",
    "at",
    "sqlite",
    "file",
    "folder",
    "chroma",
    "faiss",
    "lock-file",
    "pid-file",
    "env-file",
    "socket",
    "identity",
    "known-hosts",
  ]);
  const resolve = (value: unknown, key: string): unknown => {
    if (typeof value === "string") {
      const isPath = PATH_KEYS.has(key) && !/^(s3|sftp):\/\//.test(value);
      return isPath ? path.resolve(folder, value) : value;
    }
    if (Array.isArray(value)) {
      return key === "files" || key === "writable"
        ? value.map((file) => path.resolve(folder, file as string))
        : value;
    }
    // What is sent to an application is its own business.
    if (typeof value !== "object" || value === null || key === "body") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v, k)]));
  };
  return resolve(config, "") as Config;
}
