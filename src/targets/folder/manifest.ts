import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { nothingThere } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { Run } from "../../base/events.ts";

/** What a release consists of. Owner and times are no part of it. */
export type Item = { readonly path: string } & (
  | { readonly type: "folder"; readonly mode: string }
  | { readonly type: "link"; readonly target: string }
  | {
      readonly type: "file";
      readonly mode: string;
      readonly size: number;
      readonly sha256: string;
    }
);

export type Manifest = readonly Item[];

/**
 * Writes a manifest as text that `sha256sum -c` understands in the release's folder; what that does
 * not know of an entry stands before it, as JSON in a comment.
 */
export async function writeManifest(file: string, manifest: Manifest): Promise<void> {
  const lines = manifest.flatMap((item) => {
    if (item.type !== "file") return [`# ${JSON.stringify(item)}`];
    const { sha256, ...facts } = item;
    // A name with a backslash is escaped, and the line then begins with one.
    const escaped = item.path.replaceAll("\\", "\\\\");
    const mark = escaped === item.path ? "" : "\\";
    return [`# ${JSON.stringify(facts)}`, `${mark}${sha256}  ${escaped}`];
  });
  await writeFileDurable(file, Buffer.from(`${lines.join("\n")}\n`), "replace", 0o644);
}

/** Undefined when there is none, or when it is no manifest. */
export async function readManifest(file: string): Promise<Manifest | undefined> {
  const text = await readFile(file, "utf8").catch(nothingThere);
  if (text === undefined) return undefined;
  const items: Item[] = [];
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("# ")) continue;
    try {
      const facts = JSON.parse(line.slice(2)) as Item;
      const sha256 = lines[index + 1]?.replace(/^\\/, "").slice(0, 64) ?? "";
      items.push(facts.type === "file" ? { ...facts, sha256 } : facts);
    } catch {
      // Damaged: what it says cannot be told from what it does not say.
      return undefined;
    }
  }
  return items;
}

/** What is there, without reading a byte of the files. */
export type Found = { readonly path: string; readonly mode: string } & (
  | { readonly type: "folder" }
  | { readonly type: "link"; readonly target: string }
  | { readonly type: "file"; readonly size: number; readonly stamp: string }
  | { readonly type: "other" }
);

/** All that is in a folder, by path. */
export async function findAll(root: string): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  const folders = [""];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const name of await readdir(path.join(root, folder))) {
      const at = folder === "" ? name : `${folder}/${name}`;
      const file = path.join(root, at);
      const stat = await lstat(file, { bigint: true }).catch(nothingThere);
      if (stat === undefined) {
        // A name that is no UTF-8, mostly.
        found.set(at, { type: "other", path: at, mode: "0000" });
        continue;
      }
      const common = { path: at, mode: modeText(Number(stat.mode)) };
      if (stat.isDirectory()) {
        folders.push(at);
        found.set(at, { type: "folder", ...common });
      } else if (stat.isSymbolicLink()) {
        found.set(at, { type: "link", ...common, target: await readlink(file) });
      } else if (stat.isFile()) {
        // ctime is no part: it changes when the next release shares the file.
        const stamp = `${stat.ino}:${stat.mtimeNs}:${stat.size}`;
        found.set(at, { type: "file", ...common, size: Number(stat.size), stamp });
      } else {
        found.set(at, { type: "other", ...common });
      }
    }
  }
  return found;
}

export function modeText(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

/** Describes what is there as a manifest; each file is read. */
export async function manifestOf(root: string, run: Run): Promise<Manifest> {
  const items: Item[] = [];
  for (const found of (await findAll(root)).values()) {
    const { path: at, mode } = found;
    if (found.type === "folder") items.push({ type: "folder", path: at, mode });
    else if (found.type === "link") items.push({ type: "link", path: at, target: found.target });
    else if (found.type === "file") {
      const sha256 = await sha256Of(path.join(root, at), run);
      items.push({ type: "file", path: at, mode, size: found.size, sha256 });
    }
  }
  return items.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

export async function sha256Of(file: string, run: Run): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file, { signal: run.signal })) {
    hash.update(part as Buffer);
  }
  return hash.digest("hex");
}
