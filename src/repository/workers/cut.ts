import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CUT_MASK } from "../chunk-limits.ts";
import { WINDOW_BYTES } from "../format/polynomial.ts";
import type { Desk } from "./desk.ts";
import type { Jobs } from "./jobs.ts";

/**
 * Finds where the chunks of what comes in pieces end, as those of a file of the same bytes end. A cut depends on
 * the bytes right before it, so only the last of a piece are kept. The thread does nothing else meanwhile.
 */
export function createCutter(desk: Desk): (input: Jobs["cut"]["in"]) => Jobs["cut"]["out"] {
  const { hot, memory, plainFrom: base } = desk;
  /** Where the piece lies, behind the end of the one before. */
  const pieceAt = base + WINDOW_BYTES;
  // Places in what comes as a whole.
  let chunkFrom = 0;
  let searchedTo = 0;
  let pieceFrom = 0;

  /** Lays what cuts from `from` on depend on. */
  const lay = (bytes: Uint8Array, from: number): void => {
    const skipped = Math.max(0, from - WINDOW_BYTES - pieceFrom);
    if (skipped >= bytes.length) return;
    memory.view(pieceAt + skipped, bytes.length - skipped).set(bytes.subarray(skipped));
  };
  const keepEnd = (bytes: Uint8Array): void => {
    const kept = Math.min(bytes.length, WINDOW_BYTES);
    memory.view(base, WINDOW_BYTES).copyWithin(0, kept);
    memory.view(pieceAt - kept, kept).set(bytes.subarray(bytes.length - kept));
  };

  return ({ bytes, size, isLast }) => {
    memory.reserve(pieceAt + size);
    const piece = bytes.subarray(0, size);
    const ends: number[] = [];
    const pieceEnd = pieceFrom + size;
    const nextSearch = (): number => Math.max(searchedTo, chunkFrom + CHUNK_BYTES_MIN);
    lay(piece, nextSearch());
    const endChunk = (end: number): void => {
      ends.push(end);
      chunkFrom = end;
      searchedTo = 0;
    };
    for (let from = nextSearch(); from <= pieceEnd; from = nextSearch()) {
      const to = Math.min(pieceEnd, chunkFrom + CHUNK_BYTES_MAX);
      const at = pieceAt - pieceFrom;
      const cut = hot.findCut(at + from, at + to + 1, CUT_MASK);
      searchedTo = to + 1;
      if (cut !== 0) endChunk(cut - at);
      else if (to === chunkFrom + CHUNK_BYTES_MAX) endChunk(to);
    }
    if (isLast && chunkFrom < pieceEnd) endChunk(pieceEnd);
    keepEnd(piece);
    pieceFrom = pieceEnd;
    return { ends };
  };
}
