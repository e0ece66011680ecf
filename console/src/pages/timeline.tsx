import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Span } from "../api.ts";
import { useLoad } from "../live.ts";
import { Command, Outcome, Page, Table, Time, When } from "../parts/basics.tsx";
import { moment, outcomeWords } from "../words.ts";

type Release = {
  component: string;
  at: string;
  version: string;
  from?: string;
  isBack: boolean;
  operation: string;
  outcome: string;
};

type Timeline = {
  from: string;
  to: string;
  points: { stamp: string; time: string; valid: boolean; pinned: boolean }[];
  releases: Release[];
  operations: {
    id: string;
    kind: string;
    started: string;
    ended?: string;
    outcome?: string;
    error?: string;
  }[];
  health: Span[];
  incidents: { id: string; title: string; detected: string; recovered?: string }[];
};

const RANGES = [
  [1, "1 day"],
  [7, "7 days"],
  [30, "30 days"],
  [90, "90 days"],
  [365, "a year"],
] as const;

export function TimelinePage(): JSX.Element {
  const [days, setDays] = useState(30);
  return (
    <Page title="Timeline">
      <div class="tabs" role="group" aria-label="How far back">
        {RANGES.map(([count, label]) => (
          <button
            type="button"
            key={count}
            aria-pressed={count === days}
            onClick={() => setDays(count)}
          >
            {label}
          </button>
        ))}
      </div>
      <When loaded={useLoad<Timeline>(`/timeline?days=${days}`)}>
        {(timeline) => <Drawn timeline={timeline} />}
      </When>
      <Command words={["history"]} />
    </Page>
  );
}

const WIDTH = 1000;
const LEFT = 132;
const LANE = 34;
const TOP = 26;

type Lane = {
  readonly name: string;
  readonly kind: "release" | "health" | "points" | "operations" | "incidents";
  readonly of?: string;
};

function lanesOf({ releases, health }: Timeline): Lane[] {
  const components = [...new Set(releases.map(({ component }) => component))];
  const watched = [...new Set(health.map(({ component }) => component))];
  return [
    ...components.map((of): Lane => ({ name: `${of} release`, kind: "release", of })),
    { name: "recovery points", kind: "points" },
    ...watched.map((of): Lane => ({ name: `${of} health`, kind: "health", of })),
    { name: "operations", kind: "operations" },
    { name: "incidents", kind: "incidents" },
  ];
}

function Drawn({ timeline }: { timeline: Timeline }): JSX.Element {
  const [cursor, setCursor] = useState<number>();
  const [from, to] = [beginningOf(timeline), Date.parse(timeline.to)];
  const x = (time: string | number): number => {
    const at = typeof time === "number" ? time : Date.parse(time);
    return LEFT + ((Math.max(from, Math.min(to, at)) - from) / (to - from)) * (WIDTH - LEFT - 10);
  };
  const timeAt = (at: number): number => from + ((at - LEFT) / (WIDTH - LEFT - 10)) * (to - from);
  const lanes = lanesOf(timeline);
  const height = TOP + lanes.length * LANE + 8;
  const move = (event: MouseEvent & { currentTarget: SVGSVGElement }): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    setCursor(at < LEFT ? undefined : Math.min(to, timeAt(at)));
  };
  return (
    <>
      <div class="timeline-scroll">
        <svg
          class="timeline"
          viewBox={`0 0 ${WIDTH} ${height}`}
          role="group"
          aria-label="Timeline: everything in it stands in the table below"
          onMouseMove={move}
          onMouseLeave={() => setCursor(undefined)}
        >
          <Axis from={from} to={to} x={x} height={height} />
          {lanes.map((lane, at) => (
            <g key={lane.name} transform={`translate(0 ${TOP + at * LANE})`}>
              <text class="lane" x="0" y={LANE / 2 + 4}>
                {lane.name}
              </text>
              <line class="grid" x1={LEFT} x2={WIDTH} y1={LANE} y2={LANE} />
              <LaneContent lane={lane} timeline={timeline} x={x} />
            </g>
          ))}
          {cursor !== undefined && (
            <line class="cursor" x1={x(cursor)} x2={x(cursor)} y1={TOP - 6} y2={height} />
          )}
        </svg>
      </div>
      <p class="legend quiet">
        ● point ○ invalid point · filled bar: live release · arc: went back to an earlier release ·
        ✕ operation that was not done
      </p>
      <label for="moment">Moment</label>
      <input
        id="moment"
        type="range"
        min={from}
        max={to}
        step={(to - from) / 200}
        value={cursor ?? to}
        aria-valuetext={moment(new Date(cursor ?? to).toISOString())}
        onInput={(event) => setCursor(Number(event.currentTarget.value))}
      />
      <Then timeline={timeline} at={cursor ?? to} isChosen={cursor !== undefined} />
      <Everything timeline={timeline} />
    </>
  );
}

/** What is empty is not drawn: it begins shortly before the first that happened. */
function beginningOf({ from, to, points, operations, health, incidents }: Timeline): number {
  const times = [
    ...points.map(({ time }) => time),
    ...operations.map(({ started }) => started),
    ...health.map(({ since }) => since),
    ...incidents.map(({ detected }) => detected),
  ].map((time) => Date.parse(time));
  const first = times.reduce((a, b) => Math.min(a, b), Date.parse(to) - 60_000);
  return Math.max(Date.parse(from), first - (Date.parse(to) - first) / 20);
}

type Scale = { readonly x: (time: string | number) => number };

function Axis({
  from,
  to,
  x,
  height,
}: Scale & { from: number; to: number; height: number }): JSX.Element {
  const count = 8;
  const ticks = Array.from({ length: count }, (_, at) => from + ((to - from) * (at + 0.5)) / count);
  const isShort = to - from < 2 * 86_400_000;
  const text = (at: number): string =>
    to - from < 20 * 60_000
      ? new Date(at).toLocaleTimeString()
      : isShort
        ? new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })
        : new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" });
  return (
    <g aria-hidden="true">
      {ticks.map((at) => (
        <g key={at}>
          <line class="grid" x1={x(at)} x2={x(at)} y1={TOP - 4} y2={height} />
          <text class="tick" x={x(at)} y={TOP - 10} text-anchor="middle">
            {text(at)}
          </text>
        </g>
      ))}
    </g>
  );
}

function LaneContent({
  lane,
  timeline,
  x,
}: Scale & { lane: Lane; timeline: Timeline }): JSX.Element {
  switch (lane.kind) {
    case "release":
      return (
        <Releases
          releases={timeline.releases.filter(({ component }) => component === lane.of)}
          to={timeline.to}
          x={x}
        />
      );
    case "points":
      return (
        <>
          {timeline.points.map(({ stamp, time, valid, pinned }) => (
            <a key={stamp} href={`#/points/${stamp}`} tabIndex={-1}>
              <circle
                class={`point ${valid ? "good" : "bad"}`}
                cx={x(time)}
                cy={LANE / 2}
                r={pinned ? 6 : 4}
              >
                <title>{`${stamp}${valid ? "" : ", invalid"}${pinned ? ", pinned" : ""}`}</title>
              </circle>
            </a>
          ))}
        </>
      );
    case "health":
      return (
        <Health spans={timeline.health.filter(({ component }) => component === lane.of)} x={x} />
      );
    case "operations":
      return (
        <>
          {timeline.operations.map(({ id, kind, started, outcome }) => (
            <g
              key={id}
              class={`operation ${outcomeWords(outcome).tone}`}
              transform={`translate(${x(started)} ${LANE / 2})`}
            >
              <title>{`${kind}: ${outcomeWords(outcome).text}, ${moment(started)}`}</title>
              {outcomeWords(outcome).tone === "bad" ? (
                <path d="M-4 -4l8 8m0-8l-8 8" />
              ) : (
                <path d="M0 -7v14" />
              )}
            </g>
          ))}
        </>
      );
    case "incidents":
      return (
        <>
          {timeline.incidents.map(({ id, title, detected, recovered }) => (
            <a key={id} href={`#/incidents/${id}`} tabIndex={-1}>
              <rect
                class={`incident ${recovered === undefined ? "lasts" : ""}`}
                x={x(detected)}
                y={9}
                width={Math.max(4, x(recovered ?? timeline.to) - x(detected))}
                height={LANE - 18}
                rx="3"
              >
                <title>{title}</title>
              </rect>
            </a>
          ))}
        </>
      );
  }
}

/** Bars of what was live; who went back is joined by an arc with where the release had begun. */
function Releases({
  releases,
  to,
  x,
}: Scale & { releases: readonly Release[]; to: string }): JSX.Element {
  const changes = releases.map((one) => ({
    ...one,
    // What failed was live for a moment only; afterwards it was what had been before.
    live: one.outcome === "committed" ? one.version : (one.from ?? "factory"),
  }));
  return (
    <>
      {changes.map(({ operation, at, live, isBack, version, outcome }, index) => {
        const end = changes[index + 1]?.at ?? to;
        const origin = changes.slice(0, index).findLast((one) => one.live === live);
        const [left, right] = [x(at), x(end)];
        return (
          <g key={operation} class={`release ${isBack ? "back" : ""}`}>
            <rect x={left} y={10} width={Math.max(2, right - left - 1)} height={LANE - 18} rx="3">
              <title>{`${live} since ${moment(at)}${outcome === "committed" ? "" : `: ${version} failed and went back`}`}</title>
            </rect>
            {right - left > 34 && (
              <text x={left + 5} y={LANE / 2 + 5}>
                {live}
              </text>
            )}
            {isBack && origin !== undefined && (
              <path
                class="arc"
                d={`M${left} 10 Q${(left + x(origin.at)) / 2} ${-10 - Math.min(14, (left - x(origin.at)) / 20)} ${x(origin.at)} 10`}
              />
            )}
            {isBack && <path class="arrow" d={`M${left - 4} 4l4 6l4-6`} />}
          </g>
        );
      })}
    </>
  );
}

/** The worst of what a component's checks said wins. */
function Health({ spans, x }: Scale & { spans: readonly Span[] }): JSX.Element {
  const inOrder = ["good", "unknown", "bad"].flatMap((verdict) =>
    spans.filter((span) => span.verdict === verdict),
  );
  return (
    <>
      {inOrder.map(({ check, verdict, detail, since, until }, at) => (
        <rect
          key={at}
          class={`health ${verdict}`}
          x={x(since)}
          y={verdict === "good" ? 14 : 10}
          width={Math.max(2, x(until) - x(since))}
          height={verdict === "good" ? LANE - 26 : LANE - 18}
        >
          <title>{`${check}: ${verdict} ${detail}, ${moment(since)} to ${moment(until)}`}</title>
        </rect>
      ))}
    </>
  );
}

/** What ran with which data at a moment. */
function Then({
  timeline,
  at,
  isChosen,
}: {
  timeline: Timeline;
  at: number;
  isChosen: boolean;
}): JSX.Element {
  const before = (time: string): boolean => Date.parse(time) <= at;
  const point = timeline.points.findLast(({ time, valid }) => valid && before(time));
  const components = [...new Set(timeline.releases.map(({ component }) => component))];
  const bad = timeline.health.filter(
    ({ verdict, since, until }) => verdict === "bad" && before(since) && Date.parse(until) >= at,
  );
  const operation = timeline.operations.findLast(({ started }) => before(started));
  return (
    <section class="card then" aria-live="polite">
      <h2>{isChosen ? moment(new Date(at).toISOString()) : "Now"}</h2>
      <dl class="facts">
        {components.map((component) => {
          const release = timeline.releases.findLast(
            (one) => one.component === component && before(one.at),
          );
          return (
            <>
              <dt>{component}</dt>
              <dd>
                {release === undefined
                  ? "unknown"
                  : release.outcome === "committed"
                    ? release.version
                    : (release.from ?? "factory")}
              </dd>
            </>
          );
        })}
        <dt>Newest point</dt>
        <dd>
          {point === undefined ? (
            "none in this time"
          ) : (
            <a href={`#/points/${point.stamp}`}>{point.stamp}</a>
          )}
        </dd>
        <dt>Health</dt>
        <dd>
          {bad.length === 0
            ? "nothing known to be bad"
            : bad
                .map(({ component, check, detail }) => `${component}/${check}: ${detail}`)
                .join("; ")}
        </dd>
        <dt>Last operation</dt>
        <dd>
          {operation === undefined
            ? "none in this time"
            : `${operation.kind}: ${outcomeWords(operation.outcome).text}`}
        </dd>
      </dl>
    </section>
  );
}

const ROWS_MAX = 300;

/** The same for who cannot see the picture. */
function Everything({ timeline }: { timeline: Timeline }): JSX.Element {
  return (
    <details>
      <summary>As a table</summary>
      <Table
        caption="Operations in this time, newest first"
        head={["When", "What", "Outcome", "Why"]}
        rows={timeline.operations
          .toReversed()
          .slice(0, ROWS_MAX)
          .map(({ id, kind, started, outcome, error }) => ({
            key: id,
            cells: [<Time at={started} />, kind, <Outcome of={outcome} />, error ?? ""],
          }))}
      />
    </details>
  );
}
