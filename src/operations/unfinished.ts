import { AppError } from "../base/errors.ts";
import type { Progress } from "../journal/journal.ts";
import type { Component } from "./components.ts";
import { isUnderWay } from "./operation-lock.ts";
import type { OperationSetup } from "./begin.ts";
import type { System } from "./system.ts";

/** The components that an operation works on. */
export function componentsOf({ setup }: Progress): string[] {
  return Object.keys((setup as OperationSetup).components);
}

export type Unfinished = {
  /** A crash ended their process: `recover` has to end them. */
  readonly interrupted: readonly Progress[];
  /** A process is at it: it holds the locks of its components. */
  readonly underWay: readonly Progress[];
};

/** The operations that have no outcome yet. */
export function unfinishedOf({ journal, paths }: Pick<System, "journal" | "paths">): Unfinished {
  const all = journal.unfinished();
  const underWay = all.filter((operation) => isUnderWay(paths.locks, componentsOf(operation)));
  return { underWay, interrupted: all.filter((operation) => !underWay.includes(operation)) };
}

/** After one of these somebody has seen to it that what is live is right. */
const SETTLING: ReadonlySet<string> = new Set(["restore", "undo", "deploy", "rollback"]);

/**
 * Operations whose way back failed, as long as nothing has been done since that settles it: a later
 * change of the same components that was committed, or `keep`, which says that what is live is right.
 */
export function needingHuman({ journal }: Pick<System, "journal">): Progress[] {
  const open = journal.needingHuman();
  if (open.length === 0) return [];
  const kept = journal.kept();
  return open.filter((operation) => {
    if (kept.has(operation.id)) return false;
    const names = new Set(componentsOf(operation));
    return !journal
      .since(operation.id)
      .some(
        (one) =>
          SETTLING.has(one.kind) &&
          one.outcome === "committed" &&
          componentsOf(one).some((name) => names.has(name)),
      );
  });
}

/** The components are locked by us: what is not ended on one of them now never will be. */
export function refuseInterrupted({ journal }: System, components: readonly Component[]): void {
  const names = new Set(components.map(({ name }) => name));
  const open = journal
    .unfinished()
    .find((one) => componentsOf(one).some((name) => names.has(name)));
  if (open === undefined) return;
  throw new AppError(
    "NEEDS_HUMAN",
    `begin: operation ${open.id} was interrupted and is not ended`,
    { hint: "End it first: lastgood recover" },
  );
}
