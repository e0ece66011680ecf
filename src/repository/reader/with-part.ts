import path from "node:path";
import type { Range } from "../../backends/backend.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import type { PackBytes } from "../workers/jobs.ts";

/** Has `work` handle a part of a pack, whose bytes are valid until it ends. NOT_FOUND, CORRUPT. */
export type WithPart = <T>(
  packId: string,
  range: Range,
  run: Run,
  work: (part: PackBytes) => Promise<T>,
) => Promise<T>;

/**
 * Parts of packs for threads: where objects are files, their place, so that the thread reads them into
 * its own memory. Else the bytes, in memory that all threads see and that is used again and again:
 * to make it anew for each part, and to collect it, costs as much as to fetch what lies in it.
 */
export function packParts({ backend }: Core): WithPart {
  const { localFolder } = backend;
  const free: SharedArrayBuffer[] = [];
  return async (packId, range, run, work) => {
    const key = packKey(packId);
    const { offsetBytes: offset, lengthBytes: length } = range;
    if (localFolder !== undefined) {
      return await work({ file: path.join(localFolder, key), offset, length });
    }
    const last = free.pop();
    const slot = last !== undefined && last.byteLength >= length ? last : sharedFor(length);
    try {
      return await work(await backend.get(key, range, run, new Uint8Array(slot, 0, length)));
    } finally {
      free.push(slot);
    }
  };
}

/** A connection to a server far away has a limit of its own, however many processors there are here. */
const FETCHED_AT_ONCE = 12;

/** Whole packs of 16 MiB that are fetched side by side: they are four times as large. */
const PACKS_FETCHED_AT_ONCE = 5;

/** So many parts are worth handling at the same time by threads that take so many jobs. */
export function partsAtOnce({ backend }: Core, room: number): number {
  return Math.max(room, backend.localFolder === undefined ? FETCHED_AT_ONCE : 0);
}

/** So many whole packs. */
export function packsAtOnce({ backend }: Core, threads: number): number {
  return Math.max(threads + 1, backend.localFolder === undefined ? PACKS_FETCHED_AT_ONCE : 0);
}

const SLOT_STEP_BYTES = 1024 * 1024;

function sharedFor(length: number): SharedArrayBuffer {
  return new SharedArrayBuffer(Math.ceil(length / SLOT_STEP_BYTES) * SLOT_STEP_BYTES);
}
