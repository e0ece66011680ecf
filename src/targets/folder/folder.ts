import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../base/clock.ts";
import { type Effects, realEffects } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { type PointerName, type Target, versionOf } from "../target.ts";
import { adoptReleases } from "./adopt.ts";
import { markFile, readPointer, readPointers, versionsIn } from "./layout.ts";
import { changeMark, readMark } from "./marks.ts";
import { failedIn, rejectRelease, removeRelease } from "./retire.ts";
import { releasesIn, thinReleases } from "./thin.ts";
import { type Source, stageRelease } from "./stage.ts";
import { verifyRelease } from "./verify.ts";

export type FolderTargetConfig = {
  /** The component's. */
  readonly name: string;
  readonly root: string;
  /** So many releases, of those that were live last. */
  readonly keep: number;
  /** What a release that is to be staged consists of. */
  readonly source: (version: Version, run: Run) => Promise<Source>;
  readonly clock: Clock;
  readonly effects?: Effects;
};

const PROBLEMS_TOLD = 3;

/**
 * Releases as plain folders `v1.2.0` in one folder, and the links `current`, `previous` and
 * `factory` in it, as over-the-air updaters have them. A link moves by one rename(2).
 */
export function folderTarget(config: FolderTargetConfig): Target {
  const { name, root, keep, source, effects = realEffects } = config;
  const target: Target = {
    kind: "folder",
    name,
    root,
    keep,
    pointers: () => readPointers(root),
    releases: () => releasesIn(root),
    failed: () => failedIn(root),
    mark: (version, change) => changeMark(root, version, change),
    problemsOf: (version, thoroughness, run) => verifyRelease(root, version, thoroughness, run),
    remove: (version) => removeRelease(root, version, effects),
    condemn: (version) => condemn(config, version),
    reject: (version, evidence) => rejectRelease(root, version, evidence, effects),

    async stage(version, run) {
      if ((await versionsIn(root)).includes(version)) return;
      await mkdir(root, { recursive: true, mode: 0o755 });
      const before = versionOf(await readPointer(root, "current"));
      const from = await source(version, run);
      await rm(markFile(root, version), { force: true });
      await stageRelease(root, version, before, from, effects, run);
    },

    async verify(version, run) {
      const problems = await verifyRelease(root, version, "what-changed", run);
      if (problems.length === 0) return;
      const more = problems.length - PROBLEMS_TOLD;
      const told = problems.slice(0, PROBLEMS_TOLD).join(", ");
      const said = more > 0 ? `${told} and ${more} more` : told;
      throw new AppError("UNHEALTHY", `verify release ${version} of ${name}: ${said}`, {
        hint: `See all that differs: lastgood releases verify ${name} ${version}`,
      });
    },

    async activate(version) {
      if (!(await versionsIn(root)).includes(version)) {
        throw new AppError("NOT_FOUND", `make release ${version} of ${name} live: there is none`);
      }
      await point(root, "current", version, effects);
    },

    async discard(version) {
      await removeRelease(root, version, effects);
    },

    promote: (version, previous, left) => promote(config, version, previous, left),
    point: (link, to) => point(root, link, to, effects),

    thin: (keeps, run) => thinReleases(root, { keep, keeps }, effects, run),
    adopt: (run) => adoptReleases(target, config.clock, run),
  };
  return target;
}

async function condemn({ root, clock }: FolderTargetConfig, version: Version): Promise<void> {
  if (!(await versionsIn(root)).includes(version)) return;
  // What has been well is proven: now the data may not fit it, or somebody may have cancelled.
  if ((await readMark(root, version)).committed !== undefined) return;
  const at = clock.now().toISOString();
  await changeMark(root, version, { verdict: "bad", at, reason: "it did not become healthy" });
}

async function promote(
  { root, clock, effects = realEffects }: FolderTargetConfig,
  version: Version,
  previous: Version | undefined,
  left: Version | undefined,
): Promise<void> {
  const at = clock.now().toISOString();
  // When it was first: whoever comes back to it does not come after what was left.
  const { committed = at } = await readMark(root, version);
  const good = { verdict: "good", at, committed, reason: "it became healthy" } as const;
  await changeMark(root, version, good);
  if (left !== undefined) {
    await changeMark(root, left, { verdict: "bad", at, reason: `it was left for ${version}` });
  }
  await point(root, "previous", previous, effects);
}

/** Moves or removes a link, unless it leads there already. REFUSED when something else has its name. */
async function point(
  root: string,
  link: PointerName,
  to: Version | undefined,
  effects: Effects,
): Promise<void> {
  const now = await readPointer(root, link);
  if (now.state === "no-link") {
    throw new AppError("REFUSED", `move ${path.join(root, link)}: it is no link`, {
      hint: "Move what is there away by hand; lastgood removes nothing that it has not made.",
    });
  }
  if (to === undefined) return await rm(path.join(root, link), { force: true });
  if (versionOf(now) !== to) await effects.pointLink(path.join(root, link), `v${to}`);
}
