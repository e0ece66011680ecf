import type { JSX } from "preact";
import type { Cell, Drill, Gauge as Measured } from "../api.ts";
import { moment, span } from "../words.ts";

/** What is measured, beside what was promised. */
export function Gauge({
  label,
  measured,
  note,
}: {
  label: string;
  measured: Measured;
  note?: string | undefined;
}): JSX.Element {
  const { ms, objectiveMs } = measured;
  const isMissed = ms !== undefined && objectiveMs !== undefined && ms > objectiveMs;
  const part = ms === undefined || objectiveMs === undefined ? 0 : Math.min(1, ms / objectiveMs);
  const tone = ms === undefined ? "warn" : isMissed ? "bad" : "good";
  return (
    <div class={`gauge ${tone}`}>
      <div class="label">{label}</div>
      <div class="value">{ms === undefined ? "unknown" : span(ms)}</div>
      {objectiveMs !== undefined && (
        <svg viewBox="0 0 100 6" class="bar" aria-hidden="true" preserveAspectRatio="none">
          <rect class="track" width="100" height="6" rx="3" />
          <rect class="fill" width={part * 100} height="6" rx="3" />
        </svg>
      )}
      <div class="quiet">
        {objectiveMs === undefined
          ? "no objective"
          : `${isMissed ? "✕ longer than" : "objective"} ${span(objectiveMs)}`}
        {note !== undefined && ` · ${note}`}
      </div>
    </div>
  );
}

/** A row of days: done, failed, both, or nothing; overdue is not failed, and does not look like it. */
export function Strip({
  label,
  cells,
  isOverdue,
}: {
  label: string;
  cells: readonly Cell[];
  isOverdue: boolean;
}): JSX.Element {
  const said = cells
    .filter(({ good, bad }) => good + bad > 0)
    .map(({ day, good, bad }) => `${day}: ${good} good, ${bad} failed`);
  return (
    <div class="strip">
      <span class="label">{label}</span>
      <svg
        viewBox={`0 0 ${cells.length * 12} 20`}
        preserveAspectRatio="xMinYMid meet"
        role="img"
        aria-label={`${label}, last ${cells.length} days: ${said.join("; ") || "nothing"}${isOverdue ? "; overdue" : ""}`}
      >
        {cells.map(({ day, good, bad }, at) => {
          const isToday = at === cells.length - 1;
          const state =
            bad > 0
              ? good > 0
                ? "mixed"
                : "failed"
              : good > 0
                ? "done"
                : isToday && isOverdue
                  ? "overdue"
                  : "none";
          return (
            <g key={day} class={`cell ${state}`}>
              <title>{`${day}: ${good} good, ${bad} failed${state === "overdue" ? ", overdue" : ""}`}</title>
              <rect x={at * 12 + 1} y={1} width={10} height={18} rx={2} />
              {bad > 0 && <path d={`M${at * 12 + 4} 7l4 6m0-6l-4 6`} class="mark" />}
              {state === "overdue" && <path d={`M${at * 12 + 6} 5v6m0 3v1`} class="mark" />}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

/** Recovery times of drills over time, with the objective as a line. */
export function RecoveryChart({ drills }: { drills: readonly Drill[] }): JSX.Element | null {
  const measured = drills.filter(({ recovery }) => recovery.ms !== undefined).toReversed();
  if (measured.length === 0) return null;
  const objective = measured.at(-1)?.recovery.objectiveMs;
  const highest =
    Math.max(...measured.map(({ recovery }) => recovery.ms ?? 0), objective ?? 0) * 1.15;
  const [width, height] = [600, 160];
  const x = (at: number): number =>
    measured.length === 1 ? width / 2 : 20 + (at * (width - 40)) / (measured.length - 1);
  const y = (ms: number): number => height - 20 - (ms / highest) * (height - 40);
  const line = measured
    .map(({ recovery }, at) => `${at === 0 ? "M" : "L"}${x(at)} ${y(recovery.ms ?? 0)}`)
    .join("");
  return (
    <figure class="chart">
      <figcaption>
        Recovery time of each drill
        {objective !== undefined && `; the line is the objective, ${span(objective)}`}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={measured
          .map(({ started, recovery }) => `${moment(started)}: ${span(recovery.ms ?? 0)}`)
          .join("; ")}
      >
        {objective !== undefined && (
          <line class="objective" x1="0" x2={width} y1={y(objective)} y2={y(objective)} />
        )}
        <path class="line" d={line} />
        {measured.map(({ id, started, recovery, verdict }, at) => (
          <circle key={id} class={verdict} cx={x(at)} cy={y(recovery.ms ?? 0)} r="5">
            <title>{`${moment(started)}: ${span(recovery.ms ?? 0)}, ${verdict}`}</title>
          </circle>
        ))}
      </svg>
    </figure>
  );
}
