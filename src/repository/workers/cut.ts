import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CUT_MASK } from "../chunk-limits.ts";
import type { Desk } from "./desk.ts";
import type { Jobs } from "./jobs.ts";

/** So much more is there before cuts are searched again. */
const STEP_BYTES = 256 * 1024;

/**
 * Cuts what comes in pieces as a file of the same bytes is cut. The chunk that has begun lies at the start
 * of the desk until its end has come: the thread does nothing else meanwhile.
 */
export function createCutter(desk: Desk): (input: Jobs["cut"]["in"]) => Jobs["cut"]["out"] {
  const { hot, memory, plainFrom: base } = desk;
  let length = 0;
  // Cuts were searched up to here.
  let searched = CHUNK_BYTES_MIN;

  const take = (end: number): Uint8Array => {
    const chunk = memory.view(base, end).slice();
    memory.view(base, length).copyWithin(0, end, length);
    length -= end;
    searched = CHUNK_BYTES_MIN;
    return chunk;
  };

  /** Undefined: more is needed to know. */
  const endOfChunk = (): number | undefined => {
    if (length < searched) return undefined;
    const cut = hot.findCut(base + searched, base + length + 1, CUT_MASK);
    searched = length + 1;
    if (cut !== 0) return cut - base;
    return length === CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : undefined;
  };

  return ({ bytes, size, isLast }) => {
    memory.reserve(base + CHUNK_BYTES_MAX);
    const chunks: Uint8Array[] = [];
    const cut = (): void => {
      for (let end = endOfChunk(); end !== undefined; end = endOfChunk()) chunks.push(take(end));
    };
    for (let at = 0; at < size;) {
      const room = Math.min(CHUNK_BYTES_MAX - length, size - at);
      memory.view(base + length, room).set(bytes.subarray(at, at + room));
      length += room;
      at += room;
      if (length >= searched + STEP_BYTES || length === CHUNK_BYTES_MAX) cut();
    }
    if (isLast) cut();
    if (isLast && length > 0) chunks.push(take(length));
    return { chunks, bytes };
  };
}
