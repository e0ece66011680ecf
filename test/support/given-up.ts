import assert from "node:assert/strict";
import { realEffects } from "../../src/base/effects.ts";
import type { System } from "../../src/operations/system.ts";
import { version } from "../../src/slots/slot.ts";
import { readyFolder } from "../../src/slots/place.ts";
import { type Captured, isFileStore } from "../../src/stores/store.ts";
import { versionsOf } from "../../src/stores/versions.ts";
import { quietRun } from "./temporary.ts";

/**
 * Puts a version that lies ready into a point, and that point beside what is live; makes it live for
 * `look`, and puts back what was live.
 */
export async function throughPoint(
  system: System,
  lying: string,
  look: () => Promise<void>,
): Promise<void> {
  const run = quietRun();
  const [{ store }] = system.components[0]!.stores as unknown as [
    System["components"][number]["stores"][number],
  ];
  const repository = await system.repository(run);
  let captured: Captured | undefined;
  const { snapshot } = await repository.write(undefined, run, async (writer, inner) => {
    const name = version(lying);
    captured = isFileStore(store)
      ? await store.captureLying!(
          readyFolder(await store.place(), name),
          writer,
          "stores/it",
          inner,
        )
      : await store.captureVersion(name, writer, "stores/it", inner);
    await writer.flush();
    const facts = { paths: ["/it"], hostname: "it", username: "it", tags: [] };
    return await writer.commit({ time: new Date(), program_version: "it", ...facts });
  });
  assert.deepEqual(captured?.errors, []);
  const versions = versionsOf(store, realEffects);
  const [again, aside] = [version("again"), version("aside")];
  await repository.read(snapshot, run, async (reader, inner) => {
    await versions.stage(again, reader, "stores/it", inner);
  });
  assert.deepEqual(await versions.problemsOf(again, captured?.facts, run), []);
  await versions.activate(again, aside, run);
  await look();
  await versions.activate(aside, again, run);
  await versions.discard(again, run);
}
