import type { Run } from "../base/events.ts";
import { listIncidents } from "./incidents/manage.ts";
import { readCatalogue } from "./points/catalogue.ts";
import type { System } from "./system.ts";
import { HealthHistory, type HealthSpan } from "./watch/health-history.ts";

/** Everything on one axis. */
export type Timeline = {
  readonly from: string;
  readonly to: string;
  readonly points: readonly {
    readonly stamp: string;
    readonly time: string;
    readonly valid: boolean;
    readonly pinned: boolean;
  }[];
  /** Which release was live from when on, of each component; `back` where it went back. */
  readonly releases: readonly {
    readonly component: string;
    readonly at: string;
    readonly version: string;
    readonly from: string | undefined;
    readonly isBack: boolean;
    readonly operation: string;
    readonly outcome: string;
  }[];
  readonly operations: readonly {
    readonly id: string;
    readonly kind: string;
    readonly started: string;
    readonly ended: string | undefined;
    readonly outcome: string | undefined;
    readonly error: string | undefined;
  }[];
  readonly health: readonly HealthSpan[];
  readonly incidents: readonly {
    readonly id: string;
    readonly title: string;
    readonly detected: string;
    readonly recovered: string | undefined;
  }[];
};

const DAY_MS = 86_400_000;
const OPERATIONS_MAX = 2000;
const SPANS_MAX = 5000;
const POINTS_MAX = 5000;

export async function timeline(system: System, days: number, run: Run): Promise<Timeline> {
  const now = system.host.clock.now();
  const from = new Date(now.getTime() - days * DAY_MS).toISOString();
  const catalogue = await readCatalogue(system);
  const operations = system.journal.startedSince(from, OPERATIONS_MAX);
  using history = new HealthHistory(system.paths.state);
  return {
    from,
    to: now.toISOString(),
    points: (catalogue?.points ?? [])
      .filter(({ time }) => Date.parse(time) >= Date.parse(from))
      .slice(-POINTS_MAX)
      .map(({ stamp, time, valid, pinned }) => ({ stamp, time, valid, pinned })),
    releases: operations.flatMap(({ id, kind, setup, outcome, ended, started }) => {
      const { release } = setup as { release?: { component: string; from?: string; to: string } };
      if (release === undefined || outcome === undefined || outcome === "aborted") return [];
      const { component, from: before, to } = release;
      const isLive = outcome === "committed";
      return [
        {
          component,
          at: ended ?? started,
          operation: id,
          outcome,
          from: before,
          version: to,
          isBack: kind !== "deploy" || !isLive,
        },
      ];
    }),
    operations: operations.map(({ id, kind, started, ended, outcome, error }) => ({
      id,
      kind,
      started,
      ended,
      outcome,
      error,
    })),
    health: history.since(from, SPANS_MAX),
    incidents: listIncidents(system, run)
      .filter(({ detected, recovered }) => (recovered ?? detected) >= from)
      .map(({ id, title, detected, recovered }) => ({ id, title, detected, recovered })),
  };
}
