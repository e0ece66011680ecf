import type { Run } from "../../base/events.ts";
import type { System } from "../system.ts";
import { listPoints } from "./catalogue.ts";
import { findPoint, type MarkerWord, markerTags, type Point } from "./point.ts";

/** Keeps a point whatever the policy says, or no longer; by a marker, since points never change. */
export async function pin(
  system: System,
  named: string,
  word: "pinned" | "unpinned",
  reason: string,
  run: Run,
): Promise<{ stamp: string; pinned: boolean }> {
  const point = findPoint(await listPoints(system, run), named);
  await mark(system, point, word, reason, run);
  // Whoever reads what is remembered sees it, too.
  await listPoints(system, run);
  return { stamp: point.stamp, pinned: word === "pinned" };
}

/** Says something of a point for good; whoever reads the repository finds it there. */
export async function mark(
  system: System,
  point: Pick<Point, "stamp" | "system">,
  word: MarkerWord,
  reason: string,
  run: Run,
): Promise<void> {
  const repository = await system.repository(run);
  const time = system.host.clock.now();
  const mtimeNs = BigInt(time.getTime()) * 1_000_000n;
  await repository.write(undefined, run, async (writer) => {
    const marker = Buffer.from(JSON.stringify({ of: point.stamp, word, reason }));
    await writer.bytes("lastgood/marker.json", marker, { mode: 0o100600, uid: 0, gid: 0, mtimeNs });
    await writer.commit({
      time,
      paths: [`/lastgood/${system.name}/markers`],
      hostname: system.name,
      username: "lastgood",
      tags: markerTags(point, word),
    });
  });
}
