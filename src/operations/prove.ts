import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import type { Run } from "../base/events.ts";
import { namesIn } from "../base/effects.ts";
import { hasCode } from "../base/errors.ts";
import { writeFileDurable } from "../base/fs.ts";
import type { Reader } from "../repository/repository.ts";
import { type Version, version } from "../slots/slot.ts";
import { type Facts, isFileStore, type ServerStore } from "../stores/store.ts";
import { lockComponents } from "./operation-lock.ts";
import { storePath } from "./points/point.ts";
import type { System } from "./system.ts";

type Proving = Pick<System, "components" | "paths">;

/** One at a time: two of the same point would take its copy away from each other. */
const PROOF_LOCK = ".proof";

/** Says what is made in a server, so that what a crash leaves there does not stay. */
type Mark = { readonly store: string; readonly version: Version };

const MARK = ".json";

const marksFolder = ({ paths }: Proving): string => path.join(paths.state, "proofs");

/**
 * What is wrong with what a point has of a store, in words: restored under a name of its own beside what
 * is live, looked at, and removed. LOCKED.
 */
export async function proveInServer(
  system: Proving,
  { name, versions }: ServerStore,
  stamp: string,
  facts: Facts | undefined,
  reader: Reader,
  run: Run,
): Promise<readonly string[]> {
  using _lock = lockComponents(system.paths.locks, [PROOF_LOCK]);
  await removeMarked(system, run);
  const staged = version(`validate-${stamp}`);
  const mark: Mark = { store: name, version: staged };
  // Of its own: one that could not be removed just now is still to be found.
  const file = path.join(marksFolder(system), `${name.replaceAll("/", "-")}-${staged}${MARK}`);
  await mkdir(marksFolder(system), { recursive: true, mode: 0o700 });
  await writeFileDurable(file, Buffer.from(JSON.stringify(mark)), "replace");
  try {
    await versions.discard(staged, run);
    await versions.stage(staged, reader, storePath(name), run);
    return await versions.problemsOf(staged, facts, run);
  } finally {
    await versions.discard(staged, { ...run, signal: new AbortController().signal });
    await rm(file, { force: true });
  }
}

/** Removes from servers what a validation or a drill that was lost has left there. */
export async function removeLeftProofs(system: Proving, run: Run): Promise<void> {
  try {
    using _lock = lockComponents(system.paths.locks, [PROOF_LOCK]);
    await removeMarked(system, run);
  } catch (error) {
    run.signal.throwIfAborted();
    // One is under way, and its copy is not left.
    if (hasCode(error, "LOCKED")) return;
    // A backup is worth more than what it clears up.
    const message = `what a validation may have left stays: ${(error as Error).message}`;
    run.report({ type: "warning", message });
  }
}

async function removeMarked(system: Proving, run: Run): Promise<void> {
  const folder = marksFolder(system);
  // Others are marks that were never written whole: nothing was made for them.
  const names = (await namesIn(folder)).filter((name) => name.endsWith(MARK));
  for (const file of names.map((name) => path.join(folder, name))) {
    try {
      const mark = JSON.parse(await readFile(file, "utf8")) as Mark;
      const stores = system.components.flatMap((component) => component.stores);
      const found = stores.find(({ store }) => store.name === mark.store)?.store;
      // A store that is not configured any more is out of reach.
      if (found !== undefined && !isFileStore(found)) {
        await found.versions.discard(mark.version, run);
      }
      await rm(file, { force: true });
    } catch (error) {
      run.signal.throwIfAborted();
      // One server that does not answer keeps no other from being asked; it is tried again.
      const message = `${path.basename(file, MARK)}: a copy that was left there stays: ${(error as Error).message}`;
      run.report({ type: "warning", message });
    }
  }
}
