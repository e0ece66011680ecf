import { lstat, opendir, readdir, readFile, readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../../base/errors.ts";

// What leads from a file system to a program that runs: sockets and named pipes. A place of its own has no
// network, but whoever sees such a file reaches who listens behind it.

/** More than this nobody walks through for a drill. */
const ENTRIES_MAX = 2_000_000;

/** Sockets and named pipes in these folders, and sockets that the kernel knows to lie anywhere. */
export async function doorsIn(
  folders: readonly string[],
  skip: ReadonlySet<string>,
): Promise<string[]> {
  const found = new Set<string>();
  let entries = 0;
  const walk = async (folder: string): Promise<void> => {
    const opened = await opendir(folder).catch(() => undefined);
    if (opened === undefined) return;
    for await (const entry of opened) {
      if (++entries > ENTRIES_MAX) {
        throw new AppError("REFUSED", `look through ${folder}: too many files beside the data`, {
          hint: "Keep the application and its data in folders of their own, and drills can start it.",
        });
      }
      const file = path.join(folder, entry.name);
      if (skip.has(file)) continue;
      if (entry.isSocket() || entry.isFIFO()) found.add(file);
      else if (entry.isDirectory()) await walk(file);
    }
  };
  for (const folder of folders) await walk(folder);
  for (const file of await boundSockets()) found.add(file);
  return [...found];
}

/** By /proc/net/unix (proc(5)) of each network namespace, since containers have their own. */
async function boundSockets(): Promise<string[]> {
  const byNamespace = new Map<string, string>();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const namespace = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
    if (namespace !== undefined) byNamespace.set(namespace, pid);
  }
  const files = new Set<string>();
  for (const pid of byNamespace.values()) {
    const text = await readFile(`/proc/${pid}/net/unix`, "utf8").catch(() => "");
    for (const line of text.split("\n")) {
      const [, file] = /^\S+ \S+ \S+ \S+ \S+ \S+ +\S+ (\/.*)$/.exec(line) ?? [];
      // Under another name it is found where it lies; a link in its path leads nowhere in the other place.
      const real = file === undefined ? undefined : await realpath(file).catch(() => undefined);
      if (real !== undefined && (await lstat(real)).isSocket()) files.add(real);
    }
  }
  return [...files];
}
