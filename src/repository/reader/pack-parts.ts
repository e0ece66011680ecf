import type { Range } from "../../backends/backend.ts";
import type { ByteString } from "../format/go-string.ts";
import { plainBytesOf } from "../format/pack-header.ts";
import type { BlobPlace } from "../index/blob-index.ts";
import type { StoredBlob, WriteTarget } from "../workers/jobs.ts";

/** A blob that is needed at a place of a file. */
export type Wanted = {
  readonly id: string;
  readonly place: BlobPlace;
  readonly path: ByteString;
  readonly offset: number;
};

/** A piece of a pack that is read at once, and what becomes of the blobs in it. */
export type PackPart = {
  readonly packId: string;
  readonly range: Range;
  /** Offsets are within the part. */
  readonly blobs: readonly (StoredBlob & { readonly targets: readonly WriteTarget[] })[];
  readonly plainBytes: number;
};

/** What is not needed between two blobs is read along up to this, as one read is cheaper than two. */
const GAP_BYTES_MAX = 1024 * 1024;
const PART_BYTES_MAX = 4 * 1024 * 1024;
/** Of blobs that shrink to nothing a small part has gigabytes, and who copies opens all of them at once. */
const PLAIN_BYTES_MAX = 16 * 1024 * 1024;

type Needed = { readonly place: BlobPlace; readonly id: string; readonly targets: WriteTarget[] };

/** Every blob is read once, however often it is needed; neighbours are read together. */
export function* planParts(wanted: readonly Wanted[]): Generator<PackPart, void, undefined> {
  for (const [packId, blobs] of groupByPack(wanted)) {
    let group: Needed[] = [];
    let plainBytes = 0;
    for (const blob of blobs) {
      plainBytes += plainBytesOf(blob.place);
      if (group.length > 0 && (!fits(group, blob) || plainBytes > PLAIN_BYTES_MAX)) {
        yield toPart(packId, group);
        group = [];
        plainBytes = plainBytesOf(blob.place);
      }
      group.push(blob);
    }
    yield toPart(packId, group);
  }
}

function groupByPack(wanted: readonly Wanted[]): Map<string, Needed[]> {
  const byBlob = new Map<string, Needed>();
  const byPack = new Map<string, Needed[]>();
  for (const { id, place, path, offset } of wanted) {
    let needed = byBlob.get(id);
    if (needed === undefined) {
      needed = { id, place, targets: [] };
      byBlob.set(id, needed);
      const blobs = byPack.get(place.packId);
      if (blobs === undefined) byPack.set(place.packId, [needed]);
      else blobs.push(needed);
    }
    needed.targets.push({ path, offset });
  }
  for (const blobs of byPack.values()) blobs.sort((a, b) => a.place.offset - b.place.offset);
  return byPack;
}

function fits(group: readonly Needed[], next: Needed): boolean {
  const start = group[0]!.place.offset;
  const last = group.at(-1)!.place;
  const gap = next.place.offset - (last.offset + last.length);
  const length = next.place.offset + next.place.length - start;
  return gap <= GAP_BYTES_MAX && length <= PART_BYTES_MAX;
}

function toPart(packId: string, group: readonly Needed[]): PackPart {
  const start = group[0]!.place.offset;
  const last = group.at(-1)!.place;
  const range = { offsetBytes: start, lengthBytes: last.offset + last.length - start };
  const blobs = group.map(({ id, place, targets }) => ({
    id,
    type: place.type,
    offset: place.offset - start,
    length: place.length,
    uncompressedLength: place.uncompressedLength,
    targets,
  }));
  const plainBytes = group.reduce(
    (sum, { place, targets }) => sum + plainBytesOf(place) * targets.length,
    0,
  );
  return { packId, range, blobs, plainBytes };
}
