import { lstat, mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { hasCode, systemCode } from "../base/errors.ts";
import { placeOf } from "../slots/place.ts";
import { own } from "./ownership.ts";
import { errorWord, tellProblems, type Ownership, type Store, type StoreContext } from "./store.ts";

export type FileConfig = {
  /** Without links. */
  readonly path: string;
  /** Its name in a point: that of the configured path. */
  readonly base: string;
  /** What it has to be; "any" is not looked into. */
  readonly format: "json" | "any";
  readonly optional: boolean;
  readonly ownership: Ownership;
};

const JSON_BYTES_MAX = 64 * 1024 * 1024;

/** A single file, such as a registry that its application replaces as a whole. */
export function fileStore(config: FileConfig, { name }: StoreContext): Store {
  const { base } = config;
  const ownName = path.basename(config.path);

  const problemsOf = async (file: string): Promise<string[]> => {
    const stat = await statOf(file);
    if (stat === undefined) return [errorWord(name, "snapshot_missing")];
    if (config.format === "any") return [];
    if (stat.size > JSON_BYTES_MAX) return [errorWord(name, "too_large")];
    return isJson(await readFile(file, "utf8")) ? [] : [errorWord(name, "invalid_json")];
  };

  return {
    kind: "file",
    name,
    livePath: config.path,

    async capture(into, at) {
      if ((await statOf(config.path)) === undefined) {
        const errors = config.optional ? [] : [errorWord(name, "missing")];
        return { facts: undefined, errors, warnings: [] };
      }
      try {
        const chunking = "content";
        const { sizeBytes } = await into.file(`${at}/${base}`, config.path, { chunking });
        const errors = await problemsOf(config.path);
        return { facts: { bytes: sizeBytes, files: 1 }, errors, warnings: [] };
      } catch (error) {
        if (!hasCode(error, "SOURCE_FAILED")) throw error;
        // The other stores are still worth a copy; the point is invalid and says why.
        const warnings = [(error as Error).message];
        return { facts: undefined, errors: [errorWord(name, "unreadable")], warnings };
      }
    },

    place: async () => placeOf(config.path, []),

    async materialise(from, at, folder, run) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      tellProblems(await from.file(`${at}/${base}`, path.join(folder, ownName)), run);
      await own(path.join(folder, ownName), config.ownership);
    },

    validate: (folder) => problemsOf(path.join(folder, ownName)),

    async loss(from, at) {
      const live = await readFile(config.path).catch(() => undefined);
      if (live === undefined) return ["nothing: it is gone"];
      const then = await from.find(`${at}/${base}`);
      if (then?.sizeBytes === live.length && (await from.read(`${at}/${base}`)).equals(live))
        return [];
      return [`changed: ${live.length} bytes now, ${then?.sizeBytes ?? "no"} then`];
    },
  };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Why it is none helps nobody at this place; the file is there to be looked at.
    return false;
  }
}

async function statOf(file: string): Promise<{ size: number } | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
