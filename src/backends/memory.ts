import { readFile, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import os from "node:os";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Backend, Key } from "./backend.ts";

/** Keeps objects in memory. For tests and examples. */
export function memoryBackend(): Backend {
  const objects = new Map<Key, Uint8Array>();
  return {
    label: "memory:",
    localFolder: undefined,
    spoolFolder: path.join(os.tmpdir(), `lastgood-${randomUUID()}`),

    async put(key, data, { signal }) {
      signal.throwIfAborted();
      if (objects.has(key)) throw new AppError("ALREADY_EXISTS", `put ${key}: already exists`);
      if (data instanceof Uint8Array) {
        objects.set(key, data.slice());
      } else {
        objects.set(key, await readFile(data.file));
        await rm(data.file);
      }
    },

    async get(key, range, { signal }) {
      signal.throwIfAborted();
      const data = objects.get(key);
      if (data === undefined) throw new AppError("NOT_FOUND", `get ${key}: not found`);
      if (range === "all") return data.slice();
      const end = range.offsetBytes + range.lengthBytes;
      if (end > data.length) throw new AppError("CORRUPT", `get ${key}: shorter than ${end} bytes`);
      return data.slice(range.offsetBytes, end);
    },

    async *list(prefix, { signal }) {
      for (const [key, data] of objects) {
        signal.throwIfAborted();
        if (key.startsWith(prefix)) yield { key, sizeBytes: data.length };
      }
    },

    async remove(key, { signal }) {
      signal.throwIfAborted();
      objects.delete(key);
    },

    async [Symbol.asyncDispose]() {},
  };
}
