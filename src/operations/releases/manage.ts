import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Version } from "../../slots/slot.ts";
import { archiveProblem } from "../../targets/folder/factory-archive.ts";
import { createFactory } from "../../targets/folder/factory.ts";
import { type Adopted, type Release, versionOf } from "../../targets/target.ts";
import { rememberSchemas } from "./compatibility.ts";
import { lockComponents } from "../operation-lock.ts";
import { recordDone } from "../record.ts";
import { refuseInterrupted } from "../unfinished.ts";
import type { System } from "../system.ts";
import { type Deployable, deployable, findRelease, releaseVersion } from "./target-of.ts";

/** Reads every byte of one release, or of all, and compares it with the manifest; of the factory one's archive too. */
export async function verifyReleases(
  system: System,
  named: string | undefined,
  versionText: string | undefined,
  run: Run,
): Promise<{ component: string; releases: { version: string; problems: readonly string[] }[] }> {
  const { name, target } = deployable(system, named);
  const wanted =
    versionText === undefined
      ? await target.releases()
      : [await existing(deployable(system, named), versionText)];
  const factory = versionOf((await target.pointers()).factory);
  const releases: { version: string; problems: readonly string[] }[] = [];
  for (const { version } of wanted) {
    const own = await target.problemsOf(version, "every-byte", run);
    const archive =
      version === factory ? await archiveProblem(target.root, version, run) : undefined;
    releases.push({ version, problems: archive === undefined ? own : [...own, archive.problem] });
  }
  return { component: name, releases };
}

/** Says of a release whether it may be gone back to. NOT_FOUND. */
export async function markRelease(
  system: System,
  named: string | undefined,
  versionText: string,
  verdict: "good" | "bad",
  reason: string,
): Promise<void> {
  await withLocked(system, named, versionText, "mark", async ({ target }, version) => {
    const at = system.host.clock.now().toISOString();
    await target.mark(version, { verdict, at, reason });
    return `${version} ${verdict} ${reason}`.trim();
  });
}

/** Has a release never removed, or removed again like others. NOT_FOUND. */
export async function pinRelease(
  system: System,
  named: string | undefined,
  versionText: string,
  pinned: boolean,
): Promise<void> {
  await withLocked(system, named, versionText, "pin", async ({ target }, version) => {
    await target.mark(version, { pinned });
    return version;
  });
}

/** Removes a release. REFUSED when a link, a pin or a process needs it. */
export async function removeOne(
  system: System,
  named: string | undefined,
  versionText: string,
  run: Run,
): Promise<void> {
  await withLocked(system, named, versionText, "remove", async ({ target }, version) => {
    await target.remove(version, run);
    return version;
  });
}

/**
 * Makes a release the one to which everything can fall back: files of its own, shared with no other
 * release, that cannot be changed where the file system can see to that, and an archive.
 */
export async function makeFactory(
  system: System,
  named: string | undefined,
  versionText: string,
  run: Run,
): Promise<{ version: string; archive: string; immutable: boolean }> {
  let made: { archive: string; immutable: boolean } | undefined;
  const version = releaseVersion(versionText);
  await withLocked(system, named, versionText, "factory", async (component) => {
    const { target } = component;
    const { verdict, reason } = await existing(component, versionText);
    if (verdict === "bad") {
      throw new AppError("REFUSED", `make ${version} the factory release: it is bad: ${reason}`, {
        hint: `If it is not: lastgood releases mark ${component.name} ${version} good`,
      });
    }
    await target.verify(version, run);
    made = await createFactory(target.root, version, run);
    return version;
  });
  return { version, ...made! };
}

/** Takes over releases that another updater left: each gets a manifest of what it is now. */
export async function adopt(system: System, named: string | undefined, run: Run): Promise<Adopted> {
  const component = deployable(system, named);
  const { name, target } = component;
  using _lock = lockComponents(system.paths.locks, [name]);
  refuseInterrupted(system, [component]);
  const adopted = await target.adopt(run);
  const live = versionOf((await target.pointers()).current);
  // What runs now can read what is there now: later that tells what else it can read.
  if (live !== undefined) await rememberSchemas(component, live, run);
  if (adopted.adopted.length > 0) {
    recordDone(system, "adopt", adopted.adopted.join(", "), undefined);
  }
  return adopted;
}

async function withLocked(
  system: System,
  named: string | undefined,
  versionText: string,
  kind: string,
  work: (component: Deployable, version: Version) => Promise<string>,
): Promise<void> {
  const component = deployable(system, named);
  const { version } = await existing(component, versionText);
  using _lock = lockComponents(system.paths.locks, [component.name]);
  refuseInterrupted(system, [component]);
  recordDone(system, `${kind} ${component.name}`, await work(component, version), undefined);
}

async function existing({ name, target }: Deployable, versionText: string): Promise<Release> {
  const version = releaseVersion(versionText);
  const found = await findRelease(target, version);
  if (found !== undefined) return found;
  throw new AppError("NOT_FOUND", `find release ${version} of ${name}: there is none`, {
    hint: `See what there is: lastgood releases ${name}`,
  });
}
