import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { writeFileDurable } from "../base/fs.ts";
import { syncTree } from "../base/sync-tree.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import { findPoint, type PointDescription, storePath } from "./points/point.ts";
import type { System } from "./system.ts";

const STAMP = /^\d{8}T\d{6}Z$/;

export type Exported = { readonly stamp: string; readonly at: string };

/**
 * Writes a valid point as a plain folder, `<at>/<stamp>/`, for programs that know that layout:
 * backup-metadata.json, and each store's files under db/, config/ or its own name. Undefined when
 * the configuration wants none. Older folders beyond `keep` go.
 */
export async function exportPoint(
  system: System,
  named: string,
  run: Run,
): Promise<Exported | undefined> {
  const wanted = system.config.export;
  if (wanted === undefined) return undefined;
  const point = findPoint(await listPoints(system, run), named);
  if (!point.valid) throw new AppError("POINT_INVALID", `export ${point.stamp}: it is invalid`);
  const target = path.join(wanted.at, point.stamp);
  const unfinished = `${target}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const repository = await system.repository(run);
  const description = await describePoint(repository, point, run);
  await repository.read(point.snapshot, run, async (reader) => {
    const folders = foldersFor(description);
    for (const [name, store] of Object.entries(description.stores)) {
      if (store.facts === undefined) continue;
      const base = path.basename(store.path);
      const from = `${storePath(name)}/${base}`;
      const to = path.join(unfinished, folders.get(name)!);
      if (isFileKind(store.kind)) {
        await mkdir(to, { recursive: true, mode: 0o700 });
        await reader.file(from, path.join(to, base));
      } else {
        // What a server has lies in a point as it was dumped, under names of its own.
        await reader.tree(isFolderKind(store.kind) ? from : storePath(name), to);
      }
    }
  });
  const metadata = Buffer.from(
    `${JSON.stringify(metadataOf(description, target), undefined, 2)}\n`,
  );
  await writeFileDurable(path.join(unfinished, "backup-metadata.json"), metadata, "replace");
  await syncTree(unfinished, run);
  await rm(target, { recursive: true, force: true });
  await rename(unfinished, target);
  await removeOld(wanted.at, wanted.keep, point.stamp);
  return { stamp: point.stamp, at: target };
}

/** Where a point lies as a plain folder, or would; undefined: nowhere. */
export function exportedAt({ config }: System, stamp: string): string | undefined {
  return config.export === undefined ? undefined : path.join(config.export.at, stamp);
}

const isFileKind = (kind: string): boolean => kind === "sqlite" || kind === "file";
const isFolderKind = (kind: string): boolean => ["folder", "chroma", "faiss"].includes(kind);

/** What would lie on top of something else is told apart by its component. */
function foldersFor({ stores }: PointDescription): Map<string, string> {
  const wanted = Object.entries(stores).map(([name, { kind, path: live }]) => {
    const folder = folderFor(name, kind);
    return { name, folder, place: isFileKind(kind) ? `${folder}/${path.basename(live)}` : folder };
  });
  const count = (place: string): number => wanted.filter((one) => one.place === place).length;
  return new Map(
    wanted.map(({ name, folder, place }) => [
      name,
      count(place) > 1 ? path.join(folder, name) : folder,
    ]),
  );
}

/** Where procedure 5 has them: the database under db/, files under config/, folders as named. */
function folderFor(store: string, kind: string): string {
  const own = store.slice(store.indexOf("/") + 1);
  if (kind === "sqlite") return "db";
  return kind === "file" ? "config" : own;
}

/** As AtoCore has it: besides the folder, where each store lies in it, by its own name. */
function metadataOf(description: PointDescription, target: string): object {
  const { stamp, valid, errors, stores } = description;
  const folders = foldersFor(description);
  const paths = Object.entries(stores).flatMap(([name, { kind, path: live, facts }]) => {
    if (facts === undefined) return [];
    const folder = path.join(target, folders.get(name)!);
    const own = name.slice(name.indexOf("/") + 1).replaceAll("-", "_");
    return [
      [`${own}_snapshot_path`, isFileKind(kind) ? path.join(folder, path.basename(live)) : folder],
    ];
  });
  return {
    stamp,
    backup_root: target,
    ...(Object.fromEntries(paths) as Record<string, string>),
    validated: valid,
    validation_errors: errors,
    stores: Object.fromEntries(
      Object.entries(stores).map(([name, { kind, path: live, facts }]) => [
        name,
        { kind, live, facts },
      ]),
    ),
  };
}

/** Keeps the newest, and what was just asked for. */
async function removeOld(folder: string, keep: number, asked: string): Promise<void> {
  const stamps = (await readdir(folder)).filter((name) => STAMP.test(name)).toSorted();
  for (const stamp of stamps.slice(0, Math.max(0, stamps.length - keep))) {
    if (stamp === asked) continue;
    await rm(path.join(folder, stamp), { recursive: true });
  }
}
