import { AppError } from "../../base/errors.ts";
import type { Run } from "../../base/events.ts";
import type { Docker } from "../../engine/docker.ts";
import type { Descriptor } from "./descriptor.ts";
import { versionsIn } from "../folder/layout.ts";
import { failedIn } from "../folder/retire.ts";

export type Swept = { readonly root: string; readonly image: string; readonly keptAs: string };

/**
 * Lets go of the images of releases that are not there any more; `before` has those that were. What a
 * registry gave loses its own tag too; what was made on this machine is left to whoever made it.
 */
export async function sweep(
  docker: Docker,
  { root, image, keptAs }: Swept,
  before: ReadonlyMap<string, Descriptor>,
  run: Run,
): Promise<void> {
  const needed = new Set<string>([
    ...(await versionsIn(root)),
    ...(await failedIn(root)).map(({ version }) => version),
  ]);
  const tags = (await docker.run(["image", "ls", "--format", "{{.Tag}}", keptAs], run)).split("\n");
  for (const tag of tags.filter((one) => one !== "" && !needed.has(one))) {
    const kept = await docker.image(`${keptAs}:${tag}`, run);
    const named = await docker.image(`${image}:${tag}`, run);
    const isFromRegistry = before.get(tag)?.digest !== undefined;
    if (isFromRegistry && kept !== undefined && named?.id === kept.id)
      await untag(docker, `${image}:${tag}`, run);
    await untag(docker, `${keptAs}:${tag}`, run);
  }
}

/** A container may use it still; that it stays then costs room and nothing else. */
async function untag(docker: Docker, reference: string, run: Run): Promise<void> {
  try {
    await docker.run(["rmi", reference], run);
  } catch (error) {
    run.signal.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    run.report({ type: "warning", message: error.message });
  }
}
