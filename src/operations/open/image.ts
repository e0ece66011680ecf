import { createHash } from "node:crypto";
import path from "node:path";
import { containerCheck } from "../../checks/container.ts";
import type { Check } from "../../checks/check.ts";
import type { ComponentConfig } from "../../config/schema.ts";
import { readSecret } from "../../config/secrets.ts";
import { type Docker, dockerAt } from "../../engine/docker.ts";
import type { Run } from "../../base/events.ts";
import type { Runner } from "../../runners/runner.ts";
import { archiveFile, readDescriptor } from "../../targets/image/descriptor.ts";
import { nameImage } from "../../targets/image/images.ts";
import { imageTarget } from "../../targets/image/image.ts";
import type { Target } from "../../targets/target.ts";
import type { Surroundings } from "../components.ts";
import { packageFile } from "../releases/package-info.ts";

type ImageConfig = NonNullable<ComponentConfig["target"]> & { readonly image: string };

export function engineOf({ dockerHost }: Surroundings): Docker {
  return dockerAt(dockerHost);
}

/** A target whose releases are images; what is known of them lies in the state folder. */
export function openImageTarget(name: string, config: ImageConfig, around: Surroundings): Target {
  const { state, temporary, clock, env = {}, effects } = around;
  const { image, keep, key, "env-file": file, registry } = config;
  return imageTarget({
    name,
    root: releasesRoot(around, name),
    image,
    keptAs: keptAs(name, around),
    keep,
    saves: config["save-images"],
    temporary,
    env:
      key === undefined || file === undefined
        ? undefined
        : { file, key, locks: path.join(state, "locks") },
    access: async () => {
      if (registry === undefined) return {};
      const run = { signal: new AbortController().signal, report: () => {} };
      return { user: registry.user, password: await readSecret(registry.password, env, run) };
    },
    from: (version) => packageFile(state, name, version),
    docker: engineOf(around),
    clock,
    ...(effects === undefined ? {} : { effects }),
  });
}

function releasesRoot({ state }: Surroundings, component: string): string {
  return path.join(state, "releases", component);
}

/** The image that is live, by name and content; undefined while none is. */
async function liveImage(
  name: string,
  around: Surroundings,
): Promise<{ reference: string; id: string } | undefined> {
  return await readDescriptor(path.join(releasesRoot(around, name), "current"));
}

/** The same, once its names lead to it, whatever they were given to since. NOT_FOUND. */
export async function namedImage(
  name: string,
  around: Surroundings,
  run: Run,
): Promise<{ reference: string; id: string } | undefined> {
  const folder = path.join(releasesRoot(around, name), "current");
  const live = await readDescriptor(folder);
  if (live === undefined) return undefined;
  const version = live.reference.slice(live.reference.lastIndexOf(":") + 1);
  const kept = `${keptAs(name, around)}:${version}`;
  await nameImage(engineOf(around), live, { kept, archive: archiveFile(folder) }, run);
  return live;
}

/** No registry of this name is anywhere: it cannot be pushed by mistake. */
function keptAs(component: string, { state }: Surroundings): string {
  const own = createHash("sha256").update(state).digest("hex").slice(0, 12);
  return `lastgood.local/${own}/${component}`;
}

/** Undefined for a component that does not run in containers. */
export function openContainerCheck(
  name: string,
  { target }: Pick<ComponentConfig, "target">,
  runner: Runner | undefined,
  around: Surroundings,
): Check | undefined {
  const { containers } = runner ?? {};
  if (containers === undefined) return undefined;
  const seen = async (run: Run): ReturnType<Parameters<typeof containerCheck>[0]> => {
    const found = await containers(run);
    return {
      images: found.filter(({ isRunning }) => isRunning).map(({ image }) => image),
      health: found.flatMap(({ health }) => health ?? []),
    };
  };
  const live = async (): Promise<string | undefined> =>
    target?.image === undefined ? undefined : (await liveImage(name, around))?.id;
  return containerCheck(seen, live);
}
