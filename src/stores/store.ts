import type { Effects } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import type { Reader, Restored, Writer } from "../repository/repository.ts";
import type { Hold } from "./hold.ts";
import type { Place } from "../slots/place.ts";

/** What was found out about a store's content when it was captured; kept with the point. */
export type Facts = {
  readonly bytes: number;
  /** Rows a table, of a database. */
  readonly rows?: Readonly<Record<string, number>>;
  readonly files?: number;
  /** What else tells one content from another, such as the dimension of an index. */
  readonly about?: Readonly<Record<string, string | number>>;
};

export type Captured = {
  /** Undefined when there was nothing and that is allowed. */
  readonly facts: Facts | undefined;
  /** Why it cannot be restored from, in words such as db_integrity_check_failed. Empty: it can. */
  readonly errors: readonly string[];
  /** What was not kept, for people. */
  readonly warnings: readonly string[];
};

/** The live data of a component: a database, an index, a folder. */
export type Store = {
  readonly kind: string;
  /** "component/store", as in the configuration. */
  readonly name: string;
  /** The file or folder that the application uses. */
  readonly livePath: string;

  /** Puts a copy that is consistent in itself under `at`, and validates it. */
  capture(into: Writer, at: string, run: Run): Promise<Captured>;

  /** What keeps the application from writing during `capture`. */
  readonly hold?: Hold;

  /** Where its versions lie. */
  place(): Promise<Place>;

  /** Puts what `capture` stored into a folder, ready to be switched to. */
  materialise(from: Reader, at: string, folder: string, run: Run): Promise<void>;

  /** What is wrong with what was materialised, in words; empty when it can be trusted. */
  validate(folder: string, facts: Facts | undefined, run: Run): Promise<readonly string[]>;

  /** What going back to a point would lose, for people. */
  loss(from: Reader, at: string, facts: Facts | undefined, run: Run): Promise<readonly string[]>;
};

export type StoreContext = {
  readonly name: string;
  /** A folder for copies on the way into the repository. */
  readonly temporary: string;
  readonly effects: Effects;
};

/** Owner and mode that restored files get; undefined: those that they had. */
export type Ownership = {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mode?: number | undefined;
};

/** The word for a problem, as the procedures have it: the store's own name and what is wrong. */
export function errorWord(store: string, problem: string): string {
  const own = store.slice(store.indexOf("/") + 1);
  return `${own.replaceAll(/[^A-Za-z0-9]/g, "_")}_${problem}`;
}

const PROBLEMS_TOLD_MAX = 10;

/** Warns of what a restore could not put back as it was, such as an owner. */
export function tellProblems({ problems }: Restored, run: Run): void {
  const told = problems.slice(0, PROBLEMS_TOLD_MAX);
  for (const message of told) run.report({ type: "warning", message });
  const more = problems.length - told.length;
  if (more > 0) run.report({ type: "warning", message: `and ${more} more of the kind` });
}
