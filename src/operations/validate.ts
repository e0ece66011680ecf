import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Run } from "../base/events.ts";
import type { Reader } from "../repository/repository.ts";
import { type Facts, type FileStore, isFileStore } from "../stores/store.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import { findPoint, storePath } from "./points/point.ts";
import { proveInServer } from "./prove.ts";
import type { System } from "./system.ts";

export type Validation = {
  readonly stamp: string;
  readonly valid: boolean;
  readonly errors: readonly string[];
};

/** Restores a point into a folder of its own and looks into it as a restore would, then clears up. */
export async function validate(system: System, named: string, run: Run): Promise<Validation> {
  system.expectWork();
  const point = findPoint(await listPoints(system, run), named);
  const repository = await system.repository(run);
  const description = await describePoint(repository, point, run);
  const errors = [...description.errors];
  const folder = path.join(system.paths.temporary, `validate-${point.stamp}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const stores = system.components.flatMap(({ stores: open }) => open);
    // What nobody looked at is not proven.
    const names = new Set(stores.map(({ store }) => store.name));
    errors.push(
      ...point.stores.filter((one) => !names.has(one)).map((one) => `${one}_not_configured`),
    );
    for (const { store } of stores.filter((open) => point.stores.includes(open.store.name))) {
      const { facts } = description.stores[store.name] ?? {};
      run.report({ type: "step.started", step: `validate ${store.name}` });
      const problems = await repository.read(point.snapshot, run, (reader, inner) =>
        isFileStore(store)
          ? proveFiles(store, folder, facts, reader, inner)
          : proveInServer(system, store, point.stamp, facts, reader, inner),
      );
      errors.push(...problems);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { stamp: point.stamp, valid: errors.length === 0, errors: [...new Set(errors)] };
}

async function proveFiles(
  store: FileStore,
  folder: string,
  facts: Facts | undefined,
  reader: Reader,
  run: Run,
): Promise<readonly string[]> {
  const target = path.join(folder, store.name.replaceAll("/", "-"));
  await store.materialise(reader, storePath(store.name), target, run);
  return await store.validate(target, facts, run);
}
