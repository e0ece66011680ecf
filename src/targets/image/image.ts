import { existsSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import type { Effects } from "../../base/effects.ts";
import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Docker } from "../../engine/docker.ts";
import { type RegistryAccess, type Tag, tagsIn } from "../../engine/registry.ts";
import type { Version } from "../../slots/slot.ts";
import { folderTarget } from "../folder/folder.ts";
import { releaseFolder, versionsIn } from "../folder/layout.ts";
import type { Source } from "../folder/stage.ts";
import type { Available, Pointers, Target } from "../target.ts";
import { adoptImage } from "./adopt.ts";
import { type Descriptor, archiveFile, readDescriptor } from "./descriptor.ts";
import { readKey, writeKey } from "./env-file.ts";
import { nameImage, obtain } from "./images.ts";
import { keptSource } from "./kept-source.ts";
import { sweep } from "./sweep.ts";

export type ImageTargetConfig = {
  /** The component's. */
  readonly name: string;
  /** Where what is known of the releases lies. */
  readonly root: string;
  /** Without tag. */
  readonly image: string;
  /** The images of releases are tagged with this too, so that no clean-up takes them. */
  readonly keptAs: string;
  readonly keep: number;
  /** Whether each release has the image itself in it, so that no clean-up can take it. */
  readonly saves: boolean;
  /** A folder for what is on its way. */
  readonly temporary: string;
  /** Where the version stands with which compose starts it. */
  readonly env:
    | {
        readonly file: string;
        readonly key: string;
        /** Where locks of files are in which others have keys too. */
        readonly locks: string;
      }
    | undefined;
  readonly access: () => Promise<RegistryAccess>;
  /** The image that was asked for, where that is another than the tag of the version. */
  readonly from: (version: Version) => Promise<string | undefined>;
  readonly docker: Docker;
  readonly clock: Clock;
  readonly effects?: Effects;
};

/**
 * Releases as images: a release is a small folder that names an image by its content, in the layout
 * of a folder target. What is live is what the env file says, where there is one.
 */
export function imageTarget(config: ImageTargetConfig): Target {
  const { name, root, image, keptAs, env, docker } = config;
  const folder = folderTarget({
    ...config,
    source: (version, run) => sourceOf(config, version, run),
  });
  const pointers = async (): Promise<Pointers> => await livePointers(await folder.pointers(), env);
  const sweepAfter = async (work: () => Promise<void>, run: Run): Promise<void> => {
    const before = await descriptorsIn(root);
    await work();
    await sweep(docker, { root, image, keptAs }, before, run);
  };
  const target: Target = {
    ...folder,
    kind: "image",
    fetchesItself: true,
    pointers,

    async problemsOf(version, thoroughness, run) {
      const problems = await folder.problemsOf(version, thoroughness, run);
      const missing = await missingImage(config, version, run);
      return missing === undefined ? problems : [...problems, missing];
    },

    async verify(version, run) {
      await folder.verify(version, run);
      const missing = await missingImage(config, version, run);
      if (missing === undefined) return;
      throw new AppError("UNHEALTHY", `verify release ${version} of ${name}: ${missing}`, {
        hint: `Fetch it again while a registry has it: docker pull ${image}:${version}`,
      });
    },

    async activate(version, displaced, run) {
      const found = await descriptorOf(config, version);
      const archive = archiveFile(releaseFolder(root, version));
      await nameImage(docker, found, { kept: `${keptAs}:${version}`, archive }, run);
      if (env !== undefined) await writeKey(env.file, env.key, version, env.locks);
      await folder.activate(version, displaced, run);
    },

    async filesOf(version) {
      const file = archiveFile(releaseFolder(root, version));
      return existsSync(file) ? [file] : [];
    },

    async available(run) {
      return await availableTags(config, run);
    },

    adopt: (run) => adoptImage(target, config, run),
    discard: (version, run) => sweepAfter(() => folder.discard(version, run), run),
    remove: (version, run) => sweepAfter(() => folder.remove(version, run), run),
    thin: (keeps, run) => sweepAfter(() => folder.thin(keeps, run), run),
  };
  return target;
}

async function sourceOf(config: ImageTargetConfig, version: Version, run: Run): Promise<Source> {
  const reference = `${config.image}:${version}`;
  const from = (await config.from(version)) ?? reference;
  const found = await obtain(config.docker, from, reference, run);
  return await keptSource(config, found, version, run);
}

async function descriptorsIn(root: string): Promise<Map<string, Descriptor>> {
  const found = new Map<string, Descriptor>();
  for (const version of await versionsIn(root)) {
    const one = await readDescriptor(releaseFolder(root, version)).catch(() => undefined);
    if (one !== undefined) found.set(version, one);
  }
  return found;
}

/** An env file that somebody changed by hand names what the next start will take. */
async function livePointers(found: Pointers, env: ImageTargetConfig["env"]): Promise<Pointers> {
  const { current } = found;
  const named = env === undefined ? undefined : await readKey(env.file, env.key);
  if (env === undefined || named === undefined || current.state === "no-link") return found;
  if (current.state === "to" && current.version === named) return found;
  const target = `${named === "" ? "nothing" : named} (${env.key} in ${env.file})`;
  return { ...found, current: { state: "dangling", target, named } };
}

async function descriptorOf(
  { root, name }: ImageTargetConfig,
  version: Version,
): Promise<Descriptor> {
  const found = await readDescriptor(releaseFolder(root, version));
  if (found !== undefined) return found;
  throw new AppError("NOT_FOUND", `make release ${version} of ${name} live: there is none`);
}

async function missingImage(
  { root, docker, keptAs }: ImageTargetConfig,
  version: Version,
  run: Run,
): Promise<string | undefined> {
  const found = await readDescriptor(releaseFolder(root, version));
  if (found === undefined) return "it names no image";
  const kept = await docker.image(`${keptAs}:${version}`, run);
  if (kept?.id === found.id || (await docker.image(found.id, run)) !== undefined) return undefined;
  // Of what lies in the release the manifest tells whether it is sound.
  if (existsSync(archiveFile(releaseFolder(root, version)))) return undefined;
  return `its image ${found.id.slice(0, 19)} is not on this machine`;
}

/** A registry that is down must not hide what is on this machine. */
async function registryTags({ image, access }: ImageTargetConfig, run: Run): Promise<Tag[]> {
  try {
    return await tagsIn(image, await access(), run);
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    run.report({ type: "warning", message: error.message });
    return [];
  }
}

async function availableTags(config: ImageTargetConfig, run: Run): Promise<Available[]> {
  const { docker, image } = config;
  const names = await docker.run(["image", "ls", "--format", "{{.Tag}}", image], run);
  const found = new Map<string, Available>();
  for (const tag of names.split("\n").filter((one) => one !== "" && one !== "<none>")) {
    const local = await docker.image(`${image}:${tag}`, run);
    if (local === undefined) continue;
    const digest = local.digests.find((one) => one.startsWith(`${image}@`))?.split("@")[1];
    found.set(tag, { version: tag, digest, created: local.created, where: ["engine"] });
  }
  for (const { tag, digest, created } of await registryTags(config, run)) {
    const local = found.get(tag);
    // The same tag may have been given to another image since.
    const where = local === undefined ? (["registry"] as const) : (["engine", "registry"] as const);
    found.set(tag, {
      version: tag,
      digest: digest ?? local?.digest,
      created: created ?? local?.created,
      where,
    });
  }
  return [...found.values()];
}
