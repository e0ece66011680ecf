import { readFile } from "node:fs/promises";
import path from "node:path";
import { AppError, nothingThere } from "../../base/errors.ts";
import { writeFileDurable } from "../../base/fs.ts";

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
