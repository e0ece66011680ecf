import type { Source } from "../stores/store-slot.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import { findPoint, storePath } from "./points/point.ts";
import type { System } from "./system.ts";

/** The recovery points of a system as the source of its stores' versions. */
export function pointSource(system: System): Source {
  return {
    async read(stamp, store, run, work) {
      const point = findPoint(await listPoints(system, run), stamp);
      const repository = await system.repository(run);
      return await repository.read(point.snapshot, run, (reader, inner) =>
        work(reader, storePath(store), inner),
      );
    },
    async facts(stamp, store, run) {
      const point = findPoint(await listPoints(system, run), stamp);
      return (await describePoint(await system.repository(run), point, run)).stores[store]?.facts;
    },
  };
}
