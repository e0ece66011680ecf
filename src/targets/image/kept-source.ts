import type { Run } from "../../base/events.ts";
import type { Docker } from "../../engine/docker.ts";
import type { Version } from "../../slots/slot.ts";
import type { Source } from "../folder/stage.ts";
import { type Descriptor, sourceFor } from "./descriptor.ts";
import { archiveImage } from "./images.ts";

type Keeping = {
  readonly docker: Docker;
  readonly keptAs: string;
  readonly saves: boolean;
  readonly temporary: string;
};

/** The image gets a name of its own, and where that is asked for lies in the release too. */
export async function keptSource(
  { docker, keptAs, saves, temporary }: Keeping,
  found: Descriptor,
  version: Version,
  run: Run,
): Promise<Source> {
  const kept = `${keptAs}:${version}`;
  await docker.run(["tag", found.id, kept], run);
  return sourceFor(found, saves ? () => archiveImage(docker, kept, temporary, run) : undefined);
}
