import type { Run } from "../../base/events.ts";
import type { Core } from "../core.ts";
import { packIdOf } from "../files.ts";

/** The packs that lie in the repository, with their sizes in bytes. */
export async function listPacks(core: Core, run: Run): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of core.backend.list("data/", run)) {
    const id = packIdOf(key);
    if (id !== undefined) sizes.set(id, sizeBytes);
  }
  return sizes;
}
