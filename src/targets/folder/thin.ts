import path from "node:path";
import type { Effects } from "../../base/effects.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import type { Release } from "../target.ts";
import { FAILED, releaseFolder, versionsIn } from "./layout.ts";
import { readMark } from "./marks.ts";
import { failedIn, neededBy, removeRelease } from "./retire.ts";

/** Bad ones are evidence; they take no good one's room. */
const BAD_KEPT = 2;

/** All releases, newest version first, with what is known of them. */
export async function releasesIn(root: string): Promise<Release[]> {
  return await Promise.all(
    (await versionsIn(root)).map(async (version): Promise<Release> => ({
      ...(await readMark(root, version)),
      version,
      folder: releaseFolder(root, version),
    })),
  );
}

/** Keeps the releases that were live last, and those that a link, a pin or a process needs. */
export async function thinReleases(
  root: string,
  { keep, keeps }: { readonly keep: number; readonly keeps: readonly Version[] },
  effects: Effects,
  run: Run,
): Promise<void> {
  const failed = (await failedIn(root)).toSorted((a, b) => (a.operation < b.operation ? 1 : -1));
  for (const { name } of failed.slice(BAD_KEPT)) {
    await effects.removeTree(path.join(root, FAILED, name));
  }
  const releases = (await releasesIn(root)).toSorted((a, b) =>
    (a.committed ?? "") < (b.committed ?? "") ? 1 : -1,
  );
  const extra = [
    ...releases.filter(({ verdict }) => verdict !== "bad").slice(keep),
    ...releases.filter(({ verdict }) => verdict === "bad").slice(BAD_KEPT),
  ];
  for (const { version } of extra.filter((one) => !keeps.includes(one.version))) {
    const reason = await neededBy(root, version);
    if (reason === undefined) await removeRelease(root, version, effects);
    else run.report({ type: "warning", message: `release ${version} stays: ${reason}` });
  }
}
