import type { Run } from "../../base/events.ts";
import { archiveProblem } from "../../targets/folder/factory-archive.ts";
import { versionOf } from "../../targets/target.ts";
import type { System } from "../system.ts";
import { announcerOf } from "../updater/announce.ts";

/**
 * Reads every byte of each factory release, and of its archive: it is needed when nothing else works, and nobody looks
 * at it before. What is damaged is a warning, and stands in the updater's log.
 */
export async function verifyFactories(system: System, run: Run): Promise<void> {
  for (const { name, target } of system.components) {
    const factory = target === undefined ? undefined : versionOf((await target.pointers()).factory);
    if (target === undefined || factory === undefined) continue;
    const [damage] = await target.problemsOf(factory, "every-byte", run);
    const archive = await archiveProblem(target.root, factory, run);
    const problem =
      damage === undefined ? archive && `: ${archive.problem}` : ` is damaged: ${damage}`;
    if (problem === undefined) continue;
    const message = `${name}: the factory release ${factory}${problem}; lastgood doctor --repair`;
    run.report({ type: "warning", message });
    announcerOf(system, name)?.say([{ log: ["ERROR", message] }], factory);
  }
}
