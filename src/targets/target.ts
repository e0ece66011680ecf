import type { Run } from "../base/events.ts";
import type { Slot, Version } from "../slots/slot.ts";

/** The schema of a store, and the migrations that were applied where that is known. */
export type SchemaMark = {
  readonly fingerprint: string;
  readonly migrations?: readonly string[];
  readonly shape?: string;
};

/** What is known of a release besides its files. */
export type Mark = {
  /** Undefined: it has not been live yet, or nobody said. */
  readonly verdict?: "good" | "bad" | undefined;
  /** When and why it got its verdict. */
  readonly at?: string | undefined;
  readonly reason?: string | undefined;
  /** When it became live for good, the last time. */
  readonly committed?: string | undefined;
  /** Never removed, and never chosen by itself. */
  readonly pinned?: boolean | undefined;
  /** Fingerprints of the data with which it ran, by store; see compatibility. */
  readonly schemas?: Readonly<Record<string, SchemaMark>> | undefined;
};

export type Release = Mark & { readonly version: Version; readonly folder: string };

/** A release that failed: out of the way, with what it was and when. */
export type FailedRelease = {
  readonly name: string;
  readonly version: string;
  readonly operation: string;
};

export const POINTERS = ["current", "previous", "factory"] as const;
export type PointerName = (typeof POINTERS)[number];

export type Pointer =
  | { readonly state: "to"; readonly version: Version }
  | { readonly state: "none" }
  /** It leads to nothing, or to something that is no release. */
  | {
      readonly state: "dangling";
      readonly target: string;
      /** What would be started, though it is no release: somebody else has put it there. */
      readonly named?: string;
    }
  /** A file or folder is in its place. */
  | { readonly state: "no-link" };

export type Pointers = Readonly<Record<PointerName, Pointer>>;

/** How thoroughly a release is compared with its manifest. */
export type Thoroughness = "what-changed" | "every-byte";

/** A version that could be deployed. */
export type Available = {
  readonly version: string;
  readonly digest: string | undefined;
  readonly created: string | undefined;
  readonly where: readonly ("engine" | "registry")[];
};

/** What was taken over of another updater's. */
export type Adopted = {
  readonly adopted: readonly Version[];
  readonly problems: readonly { readonly problem: string; readonly hint: string }[];
};

/** Where a component's releases live and how one of them becomes the live one. */
export type Target = Slot & {
  readonly kind: string;
  /** The name of the component. */
  readonly name: string;
  /** Where the releases lie. */
  readonly root: string;
  /** How many good releases are kept. */
  readonly keep: number;

  pointers(): Promise<Pointers>;
  /** All releases, newest version first. */
  releases(): Promise<Release[]>;
  failed(): Promise<FailedRelease[]>;
  /** What is wrong with a release, in words; empty when it is what its manifest says. */
  problemsOf(version: Version, thoroughness: Thoroughness, run: Run): Promise<readonly string[]>;
  mark(version: Version, change: Mark): Promise<void>;

  /** Marks a release as bad that did not become healthy. */
  condemn(version: Version, run: Run): Promise<void>;
  /** Moves a failed release out of the way. It is no error when it is not there. */
  reject(version: Version, evidence: Version, run: Run): Promise<void>;
  /** Marks a release as good and moves `previous`. */
  promote(
    version: Version,
    previous: Version | undefined,
    left: Version | undefined,
    run: Run,
  ): Promise<void>;
  /** Removes what is more than shall be kept, and needed by nobody. */
  thin(keeps: readonly Version[], run: Run): Promise<void>;
  /** Has a link lead to a release, or removes it. */
  point(link: PointerName, to: Version | undefined, run: Run): Promise<void>;
  /** Whether staging finds a version without a package that was fetched before. */
  readonly fetchesItself?: true;
  /** Files of a release that are to be in points, since the release cannot be had elsewhere. */
  filesOf?(version: Version): Promise<string[]>;
  /** What could be deployed, where that can be asked for. UNAVAILABLE, REFUSED. */
  available?(run: Run): Promise<Available[]>;
  /** Takes over what another updater, or nobody, has put there. */
  adopt(run: Run): Promise<Adopted>;
  /** Removes a release for good. REFUSED when a pointer, a pin or a process needs it. */
  remove(version: Version, run: Run): Promise<void>;
};

export function versionOf(pointer: Pointer): Version | undefined {
  return pointer.state === "to" ? pointer.version : undefined;
}
