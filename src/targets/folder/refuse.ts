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
 * Archives of sources have all that is in them in one folder more, and such a release starts nothing. What is
 * to be told where the release before has at its top what this one has a level deeper.
 */
export function wrappedIn(
  manifest: readonly Item[],
  before: ReadonlyMap<string, Item>,
): string | undefined {
  const [wrapper, ...others] = new Set(manifest.map((item) => item.path.split("/")[0]!));
  if (wrapper === undefined || others.length > 0 || before.has(wrapper)) return undefined;
  const inner = (item: Item): string => item.path.slice(wrapper.length + 1);
  const deeper = manifest.find((item) => before.has(inner(item)));
  if (deeper === undefined) return undefined;
  return `all of the package lies in the folder ${wrapper}: ${inner(deeper)} is now ${deeper.path}; if that is not meant, pack what is in ${wrapper}: lastgood pack ${wrapper} --out FILE`;
}
