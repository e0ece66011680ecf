import type { Effects } from "../base/effects.ts";
import type { Run } from "../base/events.ts";
import type { Reader, Restored, Writer } from "../repository/repository.ts";
import type { Hold } from "./hold.ts";
import type { Place } from "../slots/place.ts";
import type { Version } from "../slots/slot.ts";
import type { Schema } from "./schema.ts";

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

type Common = {
  readonly kind: string;
  /** "component/store", as in the configuration. */
  readonly name: string;
  /** What people know it by: its path, or server and database. Never contains a secret. */
  readonly where: string;

  /** Puts a copy that is consistent in itself under `at`, and validates it. */
  capture(into: Writer, at: string, run: Run): Promise<Captured>;

  /** Of data that a server has: its version, as `facts.about.server` has it. UNAVAILABLE. */
  server?(run: Run): Promise<string>;

  /** Of a database: asks what is live, and only reads. SOURCE_FAILED. */
  rows?(query: string, run: Run): Promise<readonly (readonly string[])[]>;

  /** Of objects or files: the size of each that is live, in bytes, by its name. */
  sizes?(run: Run): Promise<ReadonlyMap<string, number>>;

  /** Of documents: how many that are live have this value; undefined: there is no such index. */
  countOf?(index: string, field: string, value: string, run: Run): Promise<number | undefined>;

  /** Frees what the server itself keeps for a point that was forgotten. */
  forgotten?(facts: Facts, run: Run): Promise<void>;

  /** What keeps the application from writing during `capture`. */
  readonly hold?: Hold;

  /** What going back to a point would lose, for people. */
  loss(from: Reader, at: string, facts: Facts | undefined, run: Run): Promise<readonly string[]>;

  /** The same against a version that is ready. */
  lossAgainst?(version: Version, run: Run): Promise<readonly string[]>;

  /** The schema of what is live, or of a version that is ready; undefined: it cannot be told. */
  schemaOf?(version: Version | "live", run: Run): Promise<Schema | undefined>;
};

/** Data that are files of this machine. */
export type FileStore = Common & {
  /** The file or folder that the application uses. */
  readonly livePath: string;

  /** Where its versions lie. */
  place(): Promise<Place>;

  /** Puts what `capture` stored into a folder, ready to be switched to. */
  materialise(from: Reader, at: string, folder: string, run: Run): Promise<void>;

  /**
   * The same as `capture` with a version that lies ready in a folder. Without it nothing but the bytes
   * of such a version can be put into a point.
   */
  captureLying?(folder: string, into: Writer, at: string, run: Run): Promise<Captured>;

  /** What is wrong with what was materialised, in words; empty when it can be trusted. */
  validate(folder: string, facts: Facts | undefined, run: Run): Promise<readonly string[]>;
};

/** Data that a server has: it keeps their versions too. */
export type ServerStore = Common & {
  readonly versions: StoreVersions;
  /** The same as `capture` with a version that is ready. */
  captureVersion(version: Version, into: Writer, at: string, run: Run): Promise<Captured>;
};

/** The live data of a component: a database, an index, a folder. */
export type Store = FileStore | ServerStore;

export function isFileStore(store: Store): store is FileStore {
  return "livePath" in store;
}

/** The files and folders of this machine that applications use. */
export function livePathsOf(stores: readonly { readonly store: Store }[]): string[] {
  return stores.flatMap(({ store }) => (isFileStore(store) ? [store.livePath] : []));
}

/** The versions of a store's content. Each act can be repeated after a crash with the same effect. */
export type StoreVersions = {
  isReady(version: Version, run: Run): Promise<boolean>;
  /** The same for many at once. */
  readyAmong(versions: readonly Version[], run: Run): Promise<ReadonlySet<Version>>;
  /** Makes what `capture` stored ready beside what is live. NO_SPACE, UNAVAILABLE. */
  stage(version: Version, from: Reader, at: string, run: Run): Promise<void>;
  /** What is wrong with a version that is ready, in words; empty when it can be trusted. */
  problemsOf(version: Version, facts: Facts | undefined, run: Run): Promise<readonly string[]>;
  /** As of slots: what is live lies ready as `displaced` afterwards. */
  activate(version: Version, displaced: Version, run: Run): Promise<void>;
  discard(version: Version, run: Run): Promise<void>;
  /** Lays a copy of what is live ready, sound or not. The application must not run. */
  save(version: Version, run: Run): Promise<void>;
  /** Lays a copy of another version ready, which stays as it is. NOT_FOUND. */
  copy(from: Version, version: Version, run: Run): Promise<void>;
  /** Ends what a crash left half switched. */
  settle(run: Run): Promise<void>;
};

export type StoreContext = {
  readonly name: string;
  /** A folder for copies on the way into the repository. */
  readonly temporary: string;
  readonly effects: Effects;
  readonly now: () => Date;
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
