import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { Parents } from "./parents.ts";
import type { Snapshot } from "../../repository/repository.ts";
import type { Schema } from "../../stores/schema.ts";
import type { Facts } from "../../stores/store.ts";

const NO_SYSTEM = "";

/** One recovery point, as its snapshot's tags and the markers tell of it. */
export type Point = {
  readonly stamp: string;
  readonly snapshot: Snapshot;
  readonly system: string;
  readonly valid: boolean;
  /** Why it cannot be restored from. */
  readonly errors: readonly string[];
  readonly pinned: boolean;
  /** What the last drill with it has shown; undefined: there was none. */
  readonly drill: DrillVerdict | undefined;
  /** Taken before or after data were changed: it stays until somebody names it. */
  readonly isSafety: boolean;
  /** Of a safety point: the name under which the data lay beside what is live. */
  readonly aside: string | undefined;
  /** "component/store", in the order of capture. */
  readonly stores: readonly string[];
  /** By component, the release that was live then. */
  readonly releases: Readonly<Record<string, string>>;
};

/** What lies with the data in each point, as lastgood/point.json. Fields may be added. */
export type PointDescription = {
  readonly format: 1;
  readonly stamp: string;
  readonly system: string;
  readonly reason: string;
  readonly valid: boolean;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly consistency: Consistency;
  readonly skewMs: number;
  readonly stores: Readonly<Record<string, StoreDescription>>;
  /** By component, the release that was live, and by store what its schema was. */
  readonly releases?: Readonly<Record<string, string>>;
  readonly schemas?: Readonly<Record<string, Schema>>;
  /** Of data that were given up: the name under which they lay beside what is live. */
  readonly aside?: string;
  /** Files outside of stores that a new machine needs, by component. */
  readonly files: Readonly<Record<string, readonly string[]>>;
  /** Whose the folders above stores and files were. */
  readonly folders?: Parents;
  /** Where the configuration stood, whose relative paths start there. */
  readonly configFile?: string;
  /** How far the audit log went: what is cut off it later is missed. */
  readonly history?: { readonly entries: number; readonly hash: string };
};

export type Consistency = "independent" | "ordered" | "paused" | "atomic";

export type StoreDescription = {
  readonly kind: string;
  readonly path: string;
  readonly capturedAt: string;
  readonly facts: Facts | undefined;
  readonly errors: readonly string[];
};

export const DESCRIPTION_PATH = "lastgood/point.json";
export const CONFIG_PATH = "lastgood/lastgood.yaml";

/**
 * Where a slot's content lies in a point. A slot is a store, "component/store"; or a part of one,
 * "component/store:path", the path as it is below that of the store; or one of the files of a
 * component, "component/files:/absolute". Names have no colons.
 */
export function storePath(slot: string): string {
  const colon = slot.indexOf(":");
  if (colon === -1) return `stores/${slot}`;
  const store = slot.slice(0, colon);
  const above = path.posix.dirname(slot.slice(colon + 1));
  const component = store.slice(0, store.indexOf("/"));
  return above.startsWith("/") ? filePath(component, above) : `stores/${store}/${above}`;
}

/** Where a file outside of stores lies in a point. */
export function filePath(component: string, file: string): string {
  return `files/${component}${file}`;
}

const TAG = "lastgood";
const MARKER_TAG = "lastgood-marker";
/** The others stand in the point's description. */
const ERRORS_MAX = 20;

export function pointTags(point: {
  readonly stamp: string;
  readonly system: string;
  readonly valid: boolean;
  readonly errors: readonly string[];
  readonly stores: readonly string[];
  readonly releases?: Readonly<Record<string, string>>;
  readonly aside?: string;
}): string[] {
  const { stamp, system, valid, errors, stores, releases = {}, aside } = point;
  return [
    TAG,
    `stamp:${stamp}`,
    `system:${system}`,
    valid ? "valid" : "invalid",
    ...(aside === undefined ? [] : ["safety", `aside:${aside}`]),
    ...errors.slice(0, ERRORS_MAX).map((word) => `error:${word}`),
    ...stores.map((store) => `store:${store}`),
    ...Object.entries(releases).map(([component, release]) => `release:${component}=${release}`),
  ];
}

const DRILL_VERDICTS = ["proven", "data-proven", "failed"] as const;
export type DrillVerdict = (typeof DRILL_VERDICTS)[number];

/** What may be said of a point after it was taken. */
export type MarkerWord = "pinned" | "unpinned" | `drill:${DrillVerdict}`;

/** A small snapshot that says something of a point afterwards: points themselves never change. */
export function markerTags(
  { stamp, system }: Pick<Point, "stamp" | "system">,
  word: MarkerWord,
): string[] {
  return [MARKER_TAG, `of:${stamp}`, `system:${system}`, word];
}

/** The points among all snapshots, oldest first, with what the markers say of them. */
export function pointsAmong(snapshots: readonly Snapshot[]): Point[] {
  const pins = new Map<string, boolean>();
  const drills = new Map<string, DrillVerdict>();
  for (const { tags = [] } of snapshots) {
    const of = valueOf(tags, "of");
    if (!tags.includes(MARKER_TAG) || of === undefined) continue;
    const whose = `${valueOf(tags, "system") ?? NO_SYSTEM} ${of}`;
    const isPin = tags.includes("pinned") || tags.includes("unpinned");
    if (isPin) pins.set(whose, tags.includes("pinned"));
    const verdict = DRILL_VERDICTS.find((one) => valueOf(tags, "drill") === one);
    if (verdict !== undefined) drills.set(whose, verdict);
  }
  return snapshots.flatMap((snapshot) => {
    const tags = snapshot.tags ?? [];
    const stamp = valueOf(tags, "stamp");
    if (!tags.includes(TAG) || stamp === undefined) return [];
    const system = valueOf(tags, "system") ?? NO_SYSTEM;
    return [
      {
        stamp,
        snapshot,
        system,
        valid: tags.includes("valid"),
        drill: drills.get(`${system} ${stamp}`),
        pinned: pins.get(`${system} ${stamp}`) ?? pins.get(`${NO_SYSTEM} ${stamp}`) ?? false,
        isSafety: tags.includes("safety"),
        aside: valueOf(tags, "aside"),
        errors: valuesOf(tags, "error"),
        stores: valuesOf(tags, "store"),
        releases: Object.fromEntries(
          valuesOf(tags, "release").map((value) => value.split("=", 2) as [string, string]),
        ),
      },
    ];
  });
}

export function isMarkerOf(
  { tags = [] }: Snapshot,
  system: string,
  stamps: ReadonlySet<string>,
): boolean {
  const isOurs = (valueOf(tags, "system") ?? system) === system;
  return tags.includes(MARKER_TAG) && isOurs && stamps.has(valueOf(tags, "of") ?? "");
}

function valueOf(tags: readonly string[], key: string): string | undefined {
  return tags.find((tag) => tag.startsWith(`${key}:`))?.slice(key.length + 1);
}

function valuesOf(tags: readonly string[], key: string): string[] {
  return tags.filter((tag) => tag.startsWith(`${key}:`)).map((tag) => tag.slice(key.length + 1));
}

/** The point that a stamp, the beginning of a snapshot's id, or "latest" names. NOT_FOUND. */
export function findPoint(points: readonly Point[], named: string): Point {
  const found =
    named === "latest"
      ? points.filter(({ valid, isSafety }) => valid && !isSafety).slice(-1)
      : points.filter(
          ({ stamp, snapshot }) =>
            stamp === named || (named.length >= 4 && snapshot.id.startsWith(named)),
        );
  const [point] = found;
  if (point !== undefined && found.length === 1) return point;
  const problem = found.length > 1 ? "several points begin so" : "there is no such point";
  throw new AppError("NOT_FOUND", `find point ${named}: ${problem}`, {
    hint: "See them with: lastgood points",
  });
}

/**
 * YYYYMMDDTHHMMSSZ of now, or of the second after the newest point: a clock that was put back must
 * not make an older point the latest.
 */
export function nextStamp(now: Date, points: readonly Point[]): { stamp: string; time: Date } {
  const newestMs = Math.max(0, ...points.map(({ snapshot }) => Date.parse(snapshot.time)));
  const isLater = stampOf(now) > stampOf(new Date(newestMs));
  const time = isLater ? now : new Date(newestMs + 1000);
  return { stamp: stampOf(time), time };
}

/** More than clocks of two machines differ, and than a series of points within one second is ahead. */
const AHEAD_MS = 3_600_000;

/** Whether a time lies so far ahead of the clock that either was wrong; who can tell which? */
export function isAhead(time: string, now: Date): boolean {
  return Date.parse(time) > now.getTime() + AHEAD_MS;
}

export function stampOf(time: Date): string {
  return `${time.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
}
