import { AppError, hasCode } from "../../base/errors.ts";
import { syncDirectory } from "../../base/fs.ts";
import type { Core } from "../core.ts";
import { HINT_CHECK } from "../files.ts";
import type { BlobType } from "../format/pack-header.ts";
import type { BlobIndex, BlobPlace } from "../index/blob-index.ts";
import type { PackPart } from "./pack-parts.ts";

/** Where blobs are looked for. */
type Source = { readonly core: Core; readonly index: BlobIndex };

/** Of a disk that is gone no pack is damaged: once it is back all of them are sound. */
export async function rememberDamage({ backend, damage }: Core, packId: string): Promise<void> {
  const { localFolder } = backend;
  try {
    if (localFolder !== undefined) await syncDirectory(localFolder);
  } catch {
    return;
  }
  await damage.found(packId);
}

/** What is needed of a pack, without how much that is. */
export type Piece = Omit<PackPart, "plainBytes">;

/**
 * What comes of the first copy of a blob that is sound. `attempt` fails with CORRUPT or NOT_FOUND where it
 * is not. CORRUPT when none is: what was wrong with the last, or `problem` if there is no copy.
 */
export async function fromAnyCopy<T>(
  { core, index }: Source,
  id: string,
  type: BlobType,
  problem: unknown,
  attempt: (place: BlobPlace) => Promise<T>,
): Promise<T> {
  let last = problem;
  for (const [at, place] of index.findAll(id, type).entries()) {
    try {
      const result = await attempt(place);
      if (at > 0) index.prefer(id, type, place);
      return result;
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (hasCode(error, "CORRUPT")) await rememberDamage(core, place.packId);
      last = error;
    }
  }
  throw asCorrupt(last);
}

/** Hears of a blob of which no copy is sound, and why. */
export type OnLost = (id: string, error: unknown) => void;

/**
 * Handles a part of a pack; where it is damaged blob by blob, each from whichever copy of it is sound. CORRUPT
 * where none is, unless `onLost` hears of it: then the others are handled still.
 */
export async function inSoundPieces<T>(
  source: Source,
  part: Piece,
  attempt: (piece: Piece) => Promise<T>,
  onLost?: OnLost,
): Promise<T[]> {
  try {
    return [await attempt(part)];
  } catch (error) {
    if (!isDamage(error)) throw error;
    const results: T[] = [];
    for (const blob of part.blobs) {
      const handleAt = async (place: BlobPlace): Promise<T> => {
        const { packId, offset, length, uncompressedLength } = place;
        const range = { offsetBytes: offset, lengthBytes: length };
        const alone = { ...blob, offset: 0, length, uncompressedLength };
        return await attempt({ packId, range, blobs: [alone] });
      };
      try {
        results.push(await fromAnyCopy(source, blob.id, blob.type, error, handleAt));
      } catch (lost) {
        if (onLost === undefined || !isDamage(lost)) throw lost;
        onLost(blob.id, lost);
      }
    }
    return results;
  }
}

/** What the index lists was there: that it is not is damage too. */
function asCorrupt(problem: unknown): unknown {
  if (!hasCode(problem, "NOT_FOUND")) return problem;
  const { message } = problem as Error;
  return new AppError("CORRUPT", message, { hint: HINT_CHECK, cause: problem });
}

function isDamage(error: unknown): boolean {
  return hasCode(error, "CORRUPT") || hasCode(error, "NOT_FOUND");
}
