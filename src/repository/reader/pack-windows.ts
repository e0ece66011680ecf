import { hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import type { BlobIndex } from "../index/blob-index.ts";

/**
 * Reads small pieces of packs in larger ones and keeps the last few: the trees of neighbouring
 * folders lie side by side, and one read for each of them would take longer than all the rest.
 */
export type PackWindows = {
  /** The bytes at a place of a pack. NOT_FOUND, CORRUPT. */
  read(packId: string, offset: number, length: number, run: Run): Promise<Uint8Array>;
};

const WINDOW_BYTES = 512 * 1024;
const WINDOWS_MAX = 8;

type Window = { readonly from: number; readonly bytes: Uint8Array };

export function openPackWindows({ backend }: Core, index: BlobIndex): PackWindows {
  const windows = new Map<string, Window>();

  /** Undefined where the pack ends too early: what lies before may still be sound. */
  const load = async (packId: string, from: number, run: Run): Promise<Window | undefined> => {
    const key = `${packId} ${from}`;
    const known = windows.get(key);
    if (known !== undefined) return known;
    const lengthBytes = Math.min(WINDOW_BYTES, index.packEnd(packId) - from);
    const range = { offsetBytes: from, lengthBytes };
    const bytes = await backend.get(packKey(packId), range, run).catch((error: unknown) => {
      if (hasCode(error, "CORRUPT")) return undefined;
      throw error;
    });
    if (bytes === undefined) return undefined;
    const window = { from, bytes };
    windows.set(key, window);
    if (windows.size > WINDOWS_MAX) windows.delete(windows.keys().next().value!);
    return window;
  };

  return {
    async read(packId, offset, length, run) {
      const from = Math.floor(offset / WINDOW_BYTES) * WINDOW_BYTES;
      const isInOne = offset + length <= from + WINDOW_BYTES;
      const window = isInOne ? await load(packId, from, run) : undefined;
      const at = offset - from;
      if (window !== undefined && at + length <= window.bytes.length) {
        return window.bytes.subarray(at, at + length);
      }
      const range = { offsetBytes: offset, lengthBytes: length };
      return await backend.get(packKey(packId), range, run);
    },
  };
}
