import type { Run } from "../base/events.ts";
import type { Source } from "../stores/store-slot.ts";
import { describePoint, listPoints } from "./points/catalogue.ts";
import { findPoint, type Point, storePath } from "./points/point.ts";
import type { System } from "./system.ts";

/** The recovery points of a system as the source of its stores' versions. */
export function pointSource(system: System): Source {
  const found = new Map<string, Promise<Point>>();
  /** Points never change, so each is looked for once in an operation. */
  const pointOf = (stamp: string, run: Run): Promise<Point> => {
    const known = found.get(stamp) ?? listPoints(system, run).then((all) => findPoint(all, stamp));
    found.set(stamp, known);
    return known;
  };
  return {
    async read(stamp, store, run, work) {
      const point = await pointOf(stamp, run);
      const repository = await system.repository(run);
      return await repository.read(point.snapshot, run, (reader, inner) =>
        work(reader, storePath(store), inner),
      );
    },
    async facts(stamp, store, run) {
      const point = await pointOf(stamp, run);
      return (await describePoint(await system.repository(run), point, run)).stores[store]?.facts;
    },
  };
}
