import {
  type BigIntStats,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
} from "node:fs";

/**
 * Processes that have one of these files open, or a file in one of these folders; those of other
 * users only if we are root.
 *
 * A file is told by its inode: a container or a link gives it another path. For folders the path
 * serves where the process sees the same paths as we do, else all inodes in the folder.
 */
export function processesUsing(files: readonly string[], ownPid: number): number[] {
  const targets = files.flatMap(targetOf);
  if (targets.length === 0) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== ownPid)
    .filter((pid) => usesAny(pid, targets))
    .map(Number);
}

/**
 * Processes that run a program of the folder, stand in it, or have something in it open or mapped.
 */
export function processesWithin(folder: string, ownPid: number): number[] {
  const [target] = targetOf(folder);
  if (target === undefined) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== ownPid)
    .filter((pid) => usesAny(pid, [target]) || runsFrom(pid, target))
    .map(Number);
}

function runsFrom(pid: string, target: Target): boolean {
  const isInside = (path: string): boolean =>
    path === target.path || path.startsWith(`${target.path}/`);
  if (seesOurPaths(pid)) {
    if (isInside(linkOf(`/proc/${pid}/exe`)) || isInside(linkOf(`/proc/${pid}/cwd`))) return true;
    return mapsOf(pid).some(isInside);
  }
  const program = openedOf(`/proc/${pid}/exe`);
  return program !== undefined && target.inside().has(`${program.dev}:${program.ino}`);
}

/** The files that a process has mapped, such as libraries. */
function mapsOf(pid: string): string[] {
  try {
    const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
    return lines.flatMap((line) => /^\S+ \S+ \S+ \S+ \S+ +(\/.*)$/.exec(line)?.[1] ?? []);
  } catch {
    // It has ended, or is none of ours to look at.
    return [];
  }
}

function seesOurPaths(pid: string): boolean {
  return linkOf(`/proc/${pid}/ns/mnt`) === linkOf("/proc/self/ns/mnt");
}

type Target = {
  readonly path: string;
  readonly id: string;
  readonly device: bigint;
  /** The inodes of all that is in a folder; looked up only when a path cannot tell. */
  readonly inside: () => ReadonlySet<string>;
};

function targetOf(file: string): Target[] {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return [];
  const path = realpathSync(file);
  let inodes: Set<string> | undefined;
  const inside = (): ReadonlySet<string> =>
    (inodes ??= stat.isDirectory() ? inodesIn(path) : new Set());
  return [{ path, id: `${stat.dev}:${stat.ino}`, device: stat.dev, inside }];
}

function inodesIn(folder: string): Set<string> {
  const inodes = new Set<string>();
  const visit = (at: Buffer): void => {
    for (const name of namesIn(at)) {
      const file = Buffer.concat([at, SLASH, name]);
      const stat = statOf(file);
      if (stat?.isDirectory() === true) visit(file);
      else if (stat?.isFile() === true) inodes.add(`${stat.dev}:${stat.ino}`);
    }
  };
  visit(Buffer.from(folder));
  return inodes;
}

const SLASH = Buffer.from("/");

function namesIn(folder: Buffer): Buffer[] {
  try {
    return readdirSync(folder, { encoding: "buffer" });
  } catch {
    // Gone since it was listed.
    return [];
  }
}

function usesAny(pid: string, targets: readonly Target[]): boolean {
  const folder = `/proc/${pid}/fd`;
  const isSame = seesOurPaths(pid);
  return descriptorsOf(folder).some((fd) => {
    const open = openedOf(`${folder}/${fd}`);
    if (open === undefined || !(open.isFile() || open.isDirectory())) return false;
    const id = `${open.dev}:${open.ino}`;
    return targets.some((target) => {
      if (target.id === id) return true;
      if (isSame) return linkOf(`${folder}/${fd}`).startsWith(`${target.path}/`);
      return open.dev === target.device && target.inside().has(id);
    });
  });
}

function descriptorsOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It has ended, or is none of ours to look at.
    return [];
  }
}

/** Of the entry itself: a link in a folder would lead out of it. */
function statOf(file: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(file, { bigint: true });
  } catch {
    // Gone since it was listed.
    return undefined;
  }
}

function openedOf(descriptor: string): BigIntStats | undefined {
  try {
    return statSync(descriptor, { bigint: true });
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // Closed meanwhile, or is none of ours to look at.
    return "";
  }
}
