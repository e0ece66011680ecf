import { type BigIntStats, readFileSync } from "node:fs";
import { systemCode } from "../../base/errors.ts";
import type { ByteString } from "../format/go-string.ts";
import { formatTime } from "../format/go-time.ts";
import { toGoMode, typeOfMode } from "../format/mode.ts";
import type { TreeNode } from "../format/tree.ts";

/** Users and groups of this machine by number, as its own files have them. */
export type Names = {
  readonly user: (uid: number) => string;
  readonly group: (gid: number) => string;
};

export function systemNames(): Names {
  const users = namesIn("/etc/passwd");
  const groups = namesIn("/etc/group");
  return { user: (uid) => users.get(uid) ?? "", group: (gid) => groups.get(gid) ?? "" };
}

function namesIn(file: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of readIfThere(file).split("\n")) {
    const [name, , id] = line.split(":");
    const number = Number(id);
    if (name && id && !names.has(number)) names.set(number, name);
  }
  return names;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // A container without users has numbers only.
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** A node as the file system shows it; its content is not read yet. */
export function statNode(name: ByteString, stat: BigIntStats, names: Names): TreeNode {
  const mode = Number(stat.mode);
  const type = typeOfMode(mode);
  const uid = Number(stat.uid);
  const gid = Number(stat.gid);
  const mtime = formatTime(stat.mtimeNs);
  const isDevice = type === "dev" || type === "chardev";
  const hasLinks = type === "file" || type === "symlink" || isDevice;
  return {
    name,
    type,
    mode: toGoMode(mode),
    mtime,
    // Reading changes the time of access: to keep it would make every tree a new one.
    atime: mtime,
    ctime: formatTime(stat.ctimeNs),
    uid,
    gid,
    user: names.user(uid),
    group: names.group(gid),
    inode: stat.ino,
    deviceId: stat.dev,
    sizeBytes: type === "file" ? Number(stat.size) : 0,
    links: hasLinks ? stat.nlink : 0n,
    linkTarget: "",
    extendedAttributes: [],
    device: isDevice ? stat.rdev : 0n,
    content: null,
    subtree: undefined,
  };
}
