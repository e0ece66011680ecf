import { hash } from "node:crypto";
import { type Backend, type Key, key } from "../backends/backend.ts";
import { AppError, hasCode } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { compress, decompress } from "./crypto/compress.ts";
import type { Strongbox } from "./crypto/strongbox.ts";

/** So many of them are read side by side: a small file is waited for, it does not fill a line. */
export const FILES_AT_ONCE = 8;

/** The kinds of sealed JSON files, named as their folders. */
export type FileKind = "index" | "snapshots" | "locks";

/** The sealed JSON files of a repository: each named by the hash of its stored bytes. */
export type Files = {
  /** The ids of all files of a kind. What is not named by an id is none of ours. */
  ids(kind: FileKind, run: Run): Promise<string[]>;
  /** NOT_FOUND, CORRUPT. */
  load(kind: FileKind, id: string, run: Run): Promise<unknown>;
  /** Returns the new file's id, which `announce` hears before the file is there. */
  save(
    kind: FileKind,
    json: string,
    run: Run,
    announce?: (id: string) => Promise<void>,
  ): Promise<string>;
  remove(kind: FileKind, id: string, run: Run): Promise<void>;
};

const ZSTD_MARK = 0x02;

export function openFiles(backend: Backend, box: Strongbox, version: 1 | 2): Files {
  const loadOnce = async (kind: FileKind, id: string, run: Run): Promise<unknown> => {
    const what = `${kind}/${id.slice(0, 8)} of ${backend.label}`;
    const sealed = await backend.get(fileKey(kind, id), "all", run);
    const damaged = (problem: string, cause?: unknown): AppError =>
      new AppError("CORRUPT", `read ${what}: ${problem}`, { cause, hint: HINT_CHECK });
    if (hash("sha256", sealed) !== id) throw damaged("its content does not match its name");
    const plain = box.open(sealed);
    if (plain === undefined) throw damaged("its seal is broken");
    try {
      return JSON.parse(unpack(plain).toString());
    } catch (error) {
      throw damaged("no sound JSON in it", error);
    }
  };

  return {
    ids: async (kind, run) =>
      (await Array.fromAsync(backend.list(`${kind}/`, run)))
        .map((info) => info.key.slice(kind.length + 1))
        .filter((name) => /^[0-9a-f]{64}$/.test(name)),

    async load(kind, id, run) {
      try {
        return await loadOnce(kind, id, run);
      } catch (error) {
        // A flaky disk or line may have lied once; damage stays.
        if (!hasCode(error, "CORRUPT")) throw error;
        return await loadOnce(kind, id, run);
      }
    },

    async save(kind, json, run, announce) {
      const plain = Buffer.from(json);
      const packed = version === 1 ? plain : Buffer.concat([Buffer.of(ZSTD_MARK), compress(plain)]);
      const sealed = box.seal(packed);
      const id = hash("sha256", sealed);
      await announce?.(id);
      await backend.put(fileKey(kind, id), sealed, run);
      return id;
    },

    remove: (kind, id, run) => backend.remove(fileKey(kind, id), run),
  };
}

export const HINT_CHECK = "Find out how far the damage goes: lastgood check --read-data.";

export function fileKey(kind: FileKind | "keys", id: string): Key {
  return key(`${kind}/${id}`);
}

export function packKey(id: string): Key {
  return key(`data/${id.slice(0, 2)}/${id}`);
}

/** The pack that lies under this key; undefined for what lies where no pack belongs. */
export function packIdOf(found: Key): string | undefined {
  const id = found.slice(found.lastIndexOf("/") + 1);
  return /^[0-9a-f]{64}$/.test(id) && found === packKey(id) ? id : undefined;
}

function unpack(plain: Buffer): Buffer {
  if (plain[0] === ZSTD_MARK) return decompress(plain.subarray(1));
  // Version 1 wrote JSON as it is: an object or a list.
  return plain;
}
