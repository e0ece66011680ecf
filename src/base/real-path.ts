import { lstat, readlink } from "node:fs/promises";
import path from "node:path";
import { AppError, isNothing } from "./errors.ts";

const LINKS_MAX = 40;

/**
 * Where a path leads through all links, also when nothing is there yet: that is the place on which
 * something has to be put. CONFIG_INVALID for links that lead in circles.
 */
export async function realPath(file: string): Promise<string> {
  let rest = path.resolve(file).split(path.sep).slice(1);
  let at: string = path.sep;
  for (let links = 0; rest.length > 0;) {
    const [name = "", ...later] = rest;
    const next = path.join(at, name);
    const target = await linkTarget(next);
    if (target === undefined) {
      at = next;
      rest = later;
      continue;
    }
    if (++links > LINKS_MAX) {
      throw new AppError("CONFIG_INVALID", `follow ${file}: its links lead in circles`);
    }
    rest = [...path.resolve(at, target).split(path.sep).slice(1), ...later];
    at = path.sep;
  }
  return at;
}

/** Undefined for what is no link, or not there. */
async function linkTarget(file: string): Promise<string | undefined> {
  try {
    return (await lstat(file)).isSymbolicLink() ? await readlink(file) : undefined;
  } catch (error) {
    if (isNothing(error)) return undefined;
    throw error;
  }
}
