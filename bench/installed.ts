import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");

/** lastgood as npm installs it, until it is disposed of: a clone would run the sources. */
export async function install(): Promise<AsyncDisposable & { readonly main: string }> {
  const folder = await mkdtemp("/var/tmp/lg-bench-installed-");
  for (const part of ["bin", "dist", "package.json"]) {
    await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
  }
  await symlink(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
  return {
    main: path.join(folder, "bin/lastgood.js"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
