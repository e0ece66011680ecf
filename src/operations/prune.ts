import type { Run } from "../base/events.ts";
import type { PruneReport, Repository } from "../repository/repository.ts";
import { openCopy, placeOfCopy } from "./copy.ts";
import { expireSetAside } from "./given-up.ts";
import { recorded } from "./record.ts";
import type { System } from "./system.ts";

export type PruneOptions = {
  readonly how: "plan" | "do";
  /** One of the configuration's copies; undefined: the repository itself. */
  readonly copy?: string | undefined;
  readonly reason: string;
};

/** Frees what no point needs, and what was set aside for longer than it is kept. LOCKED. */
export async function prune(
  system: System,
  { how, copy, reason }: PruneOptions,
  run: Run,
): Promise<PruneReport> {
  const opened = (): Promise<Repository> =>
    copy === undefined ? system.repository(run) : openCopy(system, copy, run);
  // A name that was mistyped is no failure of the system.
  if (copy !== undefined) placeOfCopy(system, copy);
  if (how === "plan") return await (await opened()).prune(how, run);
  const scope = { of: [copy ?? "repository"], depth: 0 };
  const work = async (): Promise<{ value: PruneReport }> => {
    if (copy === undefined) await expireSetAside(system, run);
    return { value: await (await opened()).prune(how, run) };
  };
  return await recorded(system, "prune", reason, run, work, scope);
}
