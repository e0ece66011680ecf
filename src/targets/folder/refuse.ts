import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { realPath } from "../../base/real-path.ts";
import type { Item } from "./manifest.ts";

/** One link may lead through another: only where they end up together can be judged. */
export async function refuseLinksOut(staging: string, manifest: readonly Item[]): Promise<void> {
  const root = await realPath(staging);
  for (const item of manifest) {
    if (item.type !== "link") continue;
    const end = await realPath(path.join(staging, item.path));
    if (end === root || end.startsWith(`${root}/`)) continue;
    throw new AppError(
      "INVALID_PACKAGE",
      `unpack: the link ${item.path} leads out of the release`,
      {
        hint: "Nothing was changed. Have the package made again.",
      },
    );
  }
}

/**
 * Archives of sources have all that is in them in one folder more. Such a release would start
 * nothing: it is refused where the one before has at its top what this one has a level deeper.
 */
export function refuseWrapped(manifest: readonly Item[], before: ReadonlyMap<string, Item>): void {
  const [wrapper, ...others] = new Set(manifest.map((item) => item.path.split("/")[0]!));
  if (wrapper === undefined || others.length > 0 || before.has(wrapper)) return;
  const deeper = manifest.find((item) => before.has(item.path.slice(wrapper.length + 1)));
  if (deeper === undefined) return;
  const name = deeper.path.slice(wrapper.length + 1);
  throw new AppError(
    "INVALID_PACKAGE",
    `unpack: all of the package lies in the folder ${wrapper}: ${name} would come to lie at ${deeper.path}`,
    {
      hint: `Nothing was changed. Pack what is in ${wrapper}, such as by: lastgood pack ${wrapper}`,
    },
  );
}
