import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { AppError, hasCode } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import { temporaryIn } from "../../base/fs.ts";
import type { Docker, Image } from "../../engine/docker.ts";
import type { Archive, Descriptor } from "./descriptor.ts";

/** What an image says of its migrations: the text of a release.json. */
const RELEASE_LABEL = "lastgood.release";
const PULL_MS_MAX = 60 * 60_000;

/**
 * Fetches an image, unless it can only be had on this machine: a registry that is down is no reason
 * not to use what is here, and the id that is used is written down. NOT_FOUND, UNAVAILABLE.
 */
export async function obtain(
  docker: Docker,
  /** With tag, or with digest. */
  from: string,
  reference: string,
  run: Run,
): Promise<Descriptor> {
  run.report({ type: "progress", step: `pull ${from}`, bytesDone: 0 });
  const failed = await pull(docker, from, run);
  const found = await docker.image(from, run);
  if (found === undefined) throw failed ?? missing(from);
  if (failed !== undefined) {
    const message = `${failed.message}; the ${from} that is on this machine is used: ${found.id}`;
    run.report({ type: "warning", message });
  }
  return descriptorOf(found, from, reference, failed === undefined);
}

/** As it is on this machine. NOT_FOUND. */
export async function describeLocal(
  docker: Docker,
  reference: string,
  run: Run,
): Promise<Descriptor> {
  const found = await docker.image(reference, run);
  if (found === undefined) throw missing(reference);
  return descriptorOf(found, reference, reference, true);
}

/** Of what no registry gave the digest means nothing. */
function descriptorOf(
  found: Image,
  from: string,
  reference: string,
  isFromRegistry: boolean,
): Descriptor {
  const name = from.replace(/@.*$|:[^:/]*$/, "");
  const digest = isFromRegistry
    ? found.digests.find((one) => one.startsWith(`${name}@`))
    : undefined;
  const { id, created } = found;
  const says = found.labels[RELEASE_LABEL];
  return {
    reference,
    id,
    created,
    ...(digest === undefined ? {} : { digest }),
    ...(says === undefined ? {} : { says }),
  };
}

async function pull(docker: Docker, from: string, run: Run): Promise<AppError | undefined> {
  try {
    await docker.run(["pull", "--quiet", from], run, PULL_MS_MAX);
    return undefined;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!hasCode(error, "SOURCE_FAILED")) throw error;
    const why = (error as AppError).message.replace(/^docker pull: /, "");
    const isGone = /not found|manifest unknown|does not exist/i.test(why);
    return new AppError(isGone ? "NOT_FOUND" : "UNAVAILABLE", `pull ${from}: ${why}`, {
      hint: isGone
        ? "See what there is: lastgood releases"
        : "Nothing was changed. See whether the registry answers, and docker login.",
    });
  }
}

/** Writes an image into a file in a folder. */
export async function archiveImage(
  docker: Docker,
  reference: string,
  folder: string,
  run: Run,
): Promise<Archive> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = temporaryIn(folder);
  const remove = (): Promise<void> => rm(file, { force: true });
  try {
    await docker.run(["save", "--output", file, reference], run, PULL_MS_MAX);
  } catch (error) {
    await remove();
    throw error;
  }
  return { file, [Symbol.asyncDispose]: remove };
}

function missing(reference: string): AppError {
  return new AppError("NOT_FOUND", `find image ${reference}: it is not on this machine`, {
    hint: "See what there is: lastgood releases",
  });
}

/**
 * Gives an image the names by which it is started and kept, whatever they were given to since; one
 * that the engine has cleaned away is NOT_FOUND.
 */
export async function nameImage(
  docker: Docker,
  { id, reference }: Descriptor,
  { kept, archive }: { readonly kept: string; readonly archive: string },
  run: Run,
): Promise<void> {
  if ((await docker.image(id, run)) === undefined && existsSync(archive)) {
    await docker.run(["load", "--quiet", "--input", archive], run, PULL_MS_MAX);
  }
  for (const name of [kept, reference]) {
    if ((await docker.image(name, run))?.id === id) continue;
    if ((await docker.image(id, run)) === undefined) {
      throw new AppError("NOT_FOUND", `use image ${reference}: ${id} is not on this machine`, {
        hint: `It was cleaned away. Fetch it again while the registry has it: docker pull ${reference}`,
      });
    }
    await docker.run(["tag", id, name], run);
  }
}
