import type { NodeType } from "./tree.ts";

/** Types in POSIX's st_mode, and in Go's os.FileMode, which restic writes. */
const TYPES: readonly { posix: number; go: number; type: NodeType }[] = [
  { posix: 0o100000, go: 0, type: "file" },
  { posix: 0o040000, go: 2 ** 31, type: "dir" },
  { posix: 0o120000, go: 2 ** 27, type: "symlink" },
  { posix: 0o060000, go: 2 ** 26, type: "dev" },
  { posix: 0o020000, go: 2 ** 26 + 2 ** 21, type: "chardev" },
  { posix: 0o010000, go: 2 ** 25, type: "fifo" },
  { posix: 0o140000, go: 2 ** 24, type: "socket" },
];

const BITS: readonly { posix: number; go: number }[] = [
  { posix: 0o4000, go: 2 ** 23 },
  { posix: 0o2000, go: 2 ** 22 },
  { posix: 0o1000, go: 2 ** 20 },
];

export function typeOfMode(stMode: number): NodeType {
  return TYPES.find(({ posix }) => posix === (stMode & 0o170000))?.type ?? "irregular";
}

/** st_mode to os.FileMode. Sums, since the folder bit does not fit a signed 32-bit number. */
export function toGoMode(stMode: number): number {
  const type = TYPES.find(({ posix }) => posix === (stMode & 0o170000))?.go ?? 0;
  const bits = BITS.filter(({ posix }) => (stMode & posix) !== 0);
  return bits.reduce((sum, { go }) => sum + go, type + (stMode & 0o777));
}

/** The permission bits of an os.FileMode, with setuid, setgid and sticky, as chmod takes them. */
export function permissionsOf(goMode: number): number {
  const bits = BITS.filter(({ go }) => Math.floor(goMode / go) % 2 === 1);
  return bits.reduce((sum, { posix }) => sum + posix, goMode % 512);
}
