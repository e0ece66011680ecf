import path from "node:path";
import type { Range } from "../../backends/backend.ts";
import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { packKey } from "../files.ts";
import type { PackBytes } from "../workers/jobs.ts";

/**
 * A part of a pack for a thread: where objects are files, their place, so that the thread reads
 * them into its own memory; else the bytes.
 */
export async function packBytes(
  { backend }: Core,
  packId: string,
  range: Range,
  run: Run,
): Promise<PackBytes> {
  const key = packKey(packId);
  const { offsetBytes: offset, lengthBytes: length } = range;
  if (backend.localFolder === undefined) return await backend.get(key, range, run);
  return { file: path.join(backend.localFolder, key), offset, length };
}
