import path from "node:path";
import { AppError } from "../base/errors.ts";
import type { Run } from "../base/events.ts";
import { realPath } from "../base/real-path.ts";
import type { Reader, TreeNode } from "../repository/repository.ts";
import type { Facts } from "../stores/store.ts";
import { type Component, openComponents, type OpenStore, type SlotConfig } from "./components.ts";
import { isFileStore } from "../stores/store.ts";
import { configuredPath } from "./open/store.ts";
import type { FolderOwner, Parents } from "./points/parents.ts";
import { filePath, type Point, type PointDescription, storePath } from "./points/point.ts";
import { surroundingsOf, type System } from "./system.ts";

/** A file or folder that a point has, found by the path under which the application knows it. */
type Found = {
  readonly component: string;
  /** The name of its slot, without the component. See `storePath`. */
  readonly name: string;
  /** Where it lies in the point. */
  readonly at: string;
  /** Where it lies on this machine. */
  readonly live: string;
  /** The folder store around it, whose versions' place it shares. */
  readonly within: string | undefined;
  readonly owner: string | undefined;
};

export type Part = {
  readonly description: PointDescription;
  readonly components: readonly Component[];
  readonly stores: readonly OpenStore[];
};

/**
 * Makes a slot of its own of a single file or folder in a point, so that it is restored, taken back
 * and recovered like a store. NOT_FOUND, REFUSED.
 */
export async function partOfPoint(
  system: System,
  point: Point,
  description: PointDescription,
  file: string,
  run: Run,
): Promise<Part> {
  const found = locate(system, description, file);
  if (found.within !== undefined) await refuseLinksAbove(found.live);
  const repository = await system.repository(run);
  const { node, facts, folders } = await repository.read(point.snapshot, run, async (reader) => {
    const there = await reader.find(found.at);
    if (there === undefined) throw notThere(point, file);
    if (there.type !== "file" && there.type !== "dir") {
      throw new AppError("REFUSED", `restore ${file}: in the point it is a ${there.type}`, {
        hint: "It comes back with its folder, or with the whole store.",
      });
    }
    const above = await foldersAbove(reader, found);
    return { node: there, facts: await factsOf(reader, found.at, there), folders: above };
  });

  const { config } = system.components.find(({ name }) => name === found.component)!;
  const kind = node.type === "dir" ? "folder" : "file";
  const part: SlotConfig = {
    ...(kind === "folder" ? { folder: found.live } : { file: found.live }),
    ...(found.owner === undefined ? {} : { owner: found.owner }),
    ...(found.within === undefined ? {} : { within: found.within }),
    optional: false,
    include: "always",
  };
  const stores = { ...config.stores, [found.name]: part };
  const components = await openComponents(
    { [found.component]: { ...config, stores } },
    surroundingsOf(system),
  );
  const slot = `${found.component}/${found.name}`;
  const described = { kind, path: found.live, capturedAt: point.stamp, facts, errors: [] };
  return {
    description: {
      ...description,
      stores: { ...description.stores, [slot]: described },
      folders: { ...description.folders, ...folders },
    },
    components,
    stores: components.flatMap((each) => each.stores.filter(({ store }) => store.name === slot)),
  };
}

function locate(system: System, description: PointDescription, file: string): Found {
  for (const { name: component, stores } of system.components) {
    if (description.files[component]?.includes(file) === true) {
      const at = filePath(component, file);
      const name = `files:${file}`;
      return { component, name, at, live: file, within: undefined, owner: undefined };
    }
    for (const { store, config } of stores) {
      if (!isFileStore(store)) continue;
      const configured = configuredPath(config);
      const relative = [configured, store.livePath]
        .map((folder) => path.relative(folder, file))
        .find((way) => way !== ".." && !way.startsWith("../") && !path.isAbsolute(way));
      if (relative === undefined) continue;
      if (store.kind !== "folder" || relative === "") throw onlyWhole(store.name, file);
      // In the point the store has the name in which its path ended then.
      const { path: then = configured } = description.stores[store.name] ?? {};
      const below = path.join(path.basename(then), relative);
      const name = `${store.name.slice(component.length + 1)}:${below}`;
      return {
        component,
        name,
        at: `${storePath(store.name)}/${below}`,
        live: path.join(store.livePath, relative),
        within: store.livePath,
        owner: config.owner,
      };
    }
  }
  throw new AppError(
    "NOT_FOUND",
    `restore ${file}: it lies in no store and is none of the files of a component`,
    {
      hint: "Give the path that the application uses. Stores and files are shown by: lastgood config",
    },
  );
}

/** A link in between would lead out of the store, and somebody else's file be replaced. */
async function refuseLinksAbove(file: string): Promise<void> {
  const folder = path.dirname(file);
  if ((await realPath(folder)) === folder) return;
  throw new AppError("REFUSED", `restore ${file}: a folder above it is a link now`, {
    hint: "Restore the store as a whole, or put the folder back in place of the link first.",
  });
}

/** Whose the folders between the store and the file were, should they be gone. */
async function foldersAbove(reader: Reader, { live, at, within }: Found): Promise<Parents> {
  const folders: Record<string, FolderOwner> = {};
  if (within === undefined) return folders;
  let [folder, inPoint] = [path.dirname(live), path.posix.dirname(at)];
  while (folder.length > within.length) {
    const node = await reader.find(inPoint);
    if (node !== undefined) {
      folders[folder] = { mode: node.mode & 0o777, uid: node.uid, gid: node.gid };
    }
    [folder, inPoint] = [path.dirname(folder), path.posix.dirname(inPoint)];
  }
  return folders;
}

/** What belongs together is of one moment only as a whole. */
function onlyWhole(store: string, file: string): AppError {
  return new AppError("REFUSED", `restore ${file}: store ${store} is restored as a whole only`, {
    hint: `lastgood restore latest --store ${store}`,
  });
}

function notThere({ stamp }: Point, file: string): AppError {
  return new AppError("NOT_FOUND", `restore ${file}: point ${stamp} has no such file`, {
    hint: "Look into other points: lastgood points",
  });
}

async function factsOf(reader: Reader, at: string, node: TreeNode): Promise<Facts> {
  if (node.type !== "dir") return { bytes: node.sizeBytes, files: 1 };
  let bytes = 0;
  let files = 0;
  const visit = async (folder: string): Promise<void> => {
    for (const { name, node: child } of await reader.list(folder)) {
      if (child.type === "dir") await visit(`${folder}/${name}`);
      if (child.type !== "file") continue;
      files++;
      bytes += child.sizeBytes;
    }
  };
  await visit(at);
  return { bytes, files };
}
