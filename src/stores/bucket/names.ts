import { createHash } from "node:crypto";

const SEGMENT_BYTES_MAX = 250;
const KEPT_BYTES = 100;

/**
 * Names for objects in the tree of a point, so that restic restores them as files. A key may have what
 * no path has: empty segments, dots, segments that are too long, and a file where others have a folder.
 * Names follow from the keys before them, which come in the order in which S3 lists them.
 */
export function objectNames(): (key: string) => string {
  const leaves = new Set<string>();
  return (key) => {
    const segments = key.split("/").map(escaped);
    const leaf = segments.pop()!;
    let folder = "";
    for (const segment of segments) {
      const plain = `${folder}${segment}`;
      // "%" stands in no other name by itself: all others are escaped.
      folder = `${leaves.has(plain) ? `${plain}%` : plain}/`;
    }
    const name = folder + leaf;
    leaves.add(name);
    return name;
  };
}

function escaped(segment: string): string {
  const plain = segment.replaceAll("%", "%25").replaceAll("\0", "%00");
  if (plain === "" || plain === ".") return plain === "" ? "%empty" : "%2E";
  if (plain === "..") return "%2E%2E";
  if (Buffer.byteLength(plain) <= SEGMENT_BYTES_MAX) return plain;
  const hash = createHash("sha256").update(segment).digest("hex").slice(0, 32);
  // Cut between characters: the beginning is for people, the hash tells them apart.
  const start = Buffer.from(plain)
    .subarray(0, KEPT_BYTES)
    .toString()
    .replace(/\uFFFD$/, "");
  return `${start}%${hash}`;
}
