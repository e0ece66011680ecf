import type { Run } from "../base/events.ts";
import type { PruneReport } from "../repository/repository.ts";
import { expireSetAside } from "./given-up.ts";
import { recorded } from "./record.ts";
import type { System } from "./system.ts";

/** Frees what no point needs, and what was set aside for longer than it is kept. LOCKED. */
export async function prune(
  system: System,
  how: "plan" | "do",
  reason: string,
  run: Run,
): Promise<PruneReport> {
  if (how === "plan") return await (await system.repository(run)).prune(how, run);
  return await recorded(system, "prune", reason, run, async () => {
    await expireSetAside(system, run);
    return { value: await (await system.repository(run)).prune(how, run) };
  });
}
