// What the API answers, as far as the console shows it. It speaks only HTTP: /openapi.json describes it.

export type Verdict = "good" | "bad" | "unknown";

export type Gauge = { ms?: number; objectiveMs?: number };

export type Span = {
  component: string;
  check: string;
  verdict: Verdict;
  detail: string;
  since: string;
  until: string;
  looks: number;
};

export type Cell = { day: string; good: number; bad: number };

export type Job = {
  job: string;
  kind: string;
  next?: string;
  succeeded?: string;
  error?: string;
  overdue?: string;
};

export type Incident = {
  id: string;
  title: string;
  components: string[];
  detected: string;
  recovered?: string;
  closed?: string;
};

export type Home = {
  system: string;
  sentence: string;
  problems: string[];
  components: {
    name: string;
    hasReleases: boolean;
    release?: string;
    point?: string;
    dataLoss: Gauge;
    recovery: Gauge & { slowestMs?: number };
    proof: Gauge & { drill?: string };
    checks: Span[];
  }[];
  strips: Record<string, Cell[]>;
  jobs: Job[];
  space?: { folder: string; bytesFree: number; bytesTotal: number; fullAt?: string };
  incidents: Incident[];
  underWay: { operation: string; kind: string }[];
  seen?: string;
};

export type Point = {
  stamp: string;
  snapshot: string;
  time: string;
  valid: boolean;
  errors: string[];
  pinned: boolean;
  stores: string[];
  releases: Record<string, string>;
  reasons: string[];
  until?: string;
  copies: string[];
};

export type Facts = { bytes: number; files?: number; rows?: Record<string, number> };

export type PointDetails = {
  stamp: string;
  reason: string;
  valid: boolean;
  errors: string[];
  warnings: string[];
  consistency: string;
  skewMs: number;
  snapshot: string;
  pinned: boolean;
  releases?: Record<string, string>;
  stores: Record<
    string,
    { kind: string; path: string; capturedAt: string; facts?: Facts; errors: string[] }
  >;
};

export type Event = { type: string; at?: string; [key: string]: unknown };

export type Run = {
  id: string;
  command: string[];
  who: string;
  started: string;
  ended?: string;
  end?: {
    exit: number;
    value?: Record<string, unknown>;
    error?: { code: string; message: string; hint?: string };
  };
  events: Event[];
  progress?: { step: string; bytesDone: number; bytesTotal?: number };
};

export type Operation = {
  id: string;
  kind: string;
  started: string;
  ended?: string;
  who: string;
  reason: string;
  outcome?: string;
  error?: string;
};

export type Drill = {
  id: string;
  started: string;
  ended: string;
  point: string;
  verdict: "proven" | "data-proven" | "failed";
  fault?: string;
  problem?: string;
  reasons: string[];
  recovery: Gauge;
  dataLoss: Gauge;
  stores: { store: string; elapsedMs: number; facts?: Facts; problems: string[] }[];
  checks: { component: string; check: string; need: string; verdict: Verdict; detail: string }[];
  lastWords: string[];
  markdown?: string;
};

export type Session = { name: string; scope: "read" | "backup" | "operate" | "admin" };

export class ApiError extends Error {
  readonly status: number;
  readonly hint: string | undefined;

  constructor(status: number, message: string, hint: string | undefined) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Asks the API; with a body it is a POST. The browser sends the token, where no script can read it. */
export async function ask<T>(path: string, body?: unknown, method?: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      credentials: "same-origin",
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new ApiError(0, "lastgood does not answer", "Does lastgood serve run?");
  }
  const value = (await response.json().catch(() => ({}))) as Record<string, string>;
  if (response.ok) return value as T;
  const { detail, title, hint } = value;
  throw new ApiError(response.status, detail ?? title ?? String(response.status), hint);
}

const ORDER = ["read", "backup", "operate", "admin"] as const;

export function may({ scope }: Session, wanted: Session["scope"]): boolean {
  return ORDER.indexOf(scope) >= ORDER.indexOf(wanted);
}
