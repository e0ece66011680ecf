import type { Run } from "../../base/events.ts";
import type { System } from "../system.ts";

/** Less could be meant for another. */
const NAME_LENGTH = 8;

/** How to go on without a snapshot that cannot be read, and whose stamp nobody knows. */
export function hintToForget(id: string): string {
  const name = id.slice(0, NAME_LENGTH);
  return `A copy may have it whole; to go on without it: lastgood forget ${name}`;
}

/** Those of the names that are damaged snapshots, by the beginning of their ids. */
export async function damagedAmong(
  system: System,
  named: readonly string[],
  run: Run,
): Promise<{ readonly name: string; readonly id: string }[]> {
  const possible = named.filter((name) => /^[0-9a-f]{8,64}$/.test(name));
  if (possible.length === 0) return [];
  const damaged = await (await system.repository(run)).damagedSnapshots(run);
  return possible.flatMap((name) =>
    [...damaged.keys()].filter((id) => id.startsWith(name)).map((id) => ({ name, id })),
  );
}
