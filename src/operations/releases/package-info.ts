import { readFile } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";
import type { System } from "../system.ts";
import type { Target } from "../../targets/target.ts";

/** A package that was fetched and verified, as it waits to be deployed. */
export type PackageInfo = {
  readonly version: string;
  /** Where it lies. */
  readonly file: string;
  /** How people call it: where it came from, without what is secret in that. */
  readonly label: string;
  readonly bytes: number | undefined;
  readonly sha256: string | undefined;
  readonly md5: string | undefined;
  readonly verifiedAt: string;
};

/** Where the packages of a component's versions lie. */
export function packageFolder(state: string, component: string, version: string): string {
  return path.join(state, "packages", component, version);
}

/** Of a target that fetches by itself there may be none. NOT_FOUND where there has to be one. */
export async function packageFor(
  state: string,
  { name, target }: { readonly name: string; readonly target: Target },
  version: string,
): Promise<PackageInfo | undefined> {
  const found = readPackageInfo(state, name, version);
  return target.fetchesItself === true ? await found.catch(() => undefined) : await found;
}

/** Where the package of a version lies, or which image it is; undefined when none was named. */
export async function packageFile(
  state: string,
  component: string,
  version: string,
): Promise<string | undefined> {
  const found = await readPackageInfo(state, component, version).catch(() => undefined);
  return found?.file;
}

/** Has the target fetch this image for a version, and not the one that has its tag. */
export async function rememberImage(
  { paths, host }: Pick<System, "paths" | "host">,
  component: string,
  version: string,
  image: string,
): Promise<void> {
  if (!/^[\w./:@-]+$/.test(image) || image.startsWith("-")) {
    throw new AppError("USAGE", `fetch image ${JSON.stringify(image)}: that is no name of one`);
  }
  const unknown = { bytes: undefined, sha256: undefined, md5: undefined };
  const verifiedAt = host.clock.now().toISOString();
  const info = { version, file: image, label: image, verifiedAt, ...unknown };
  await writePackageInfo(paths.state, component, info);
}

/** NOT_FOUND when no such package was fetched. */
export async function readPackageInfo(
  state: string,
  component: string,
  version: string,
): Promise<PackageInfo> {
  const file = path.join(packageFolder(state, component, version), "package.json");
  const text = await readFile(file, "utf8").catch(nothingThere);
  if (text !== undefined) return JSON.parse(text) as PackageInfo;
  throw new AppError("NOT_FOUND", `find the package of ${component} ${version}: there is none`, {
    hint: `Say where it is: lastgood deploy ${component} ${version} --from FILE`,
  });
}

export async function writePackageInfo(
  state: string,
  component: string,
  info: PackageInfo,
): Promise<void> {
  const file = path.join(packageFolder(state, component, info.version), "package.json");
  await writeFileDurable(file, Buffer.from(JSON.stringify(info)), "replace");
}
