// How moments, times and sizes are said.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "3 h 12 min" */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  const hours = Math.floor(ms / HOUR);
  if (ms < 2 * DAY) {
    const minutes = Math.floor((ms % HOUR) / MINUTE);
    return minutes === 0 ? `${hours} h` : `${hours} h ${minutes} min`;
  }
  return `${Math.floor(ms / DAY)} days`;
}

/** "2 days ago", "in 3 h" */
export function relative(time: string, now = Date.now()): string {
  const ms = Date.parse(time) - now;
  if (Math.abs(ms) < 5000) return "now";
  return ms < 0 ? `${span(-ms)} ago` : `in ${span(ms)}`;
}

export function moment(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** A point's stamp as a time. */
export function timeOf(stamp: string): string {
  return stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z");
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** As a shell takes it. */
export function typed(command: readonly string[]): string {
  const words = command.map((word) =>
    /^[\w./:@+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
  );
  return `lastgood ${words.join(" ")}`;
}

const OUTCOMES: Record<string, { text: string; tone: Tone }> = {
  committed: { text: "done", tone: "good" },
  aborted: { text: "not done", tone: "bad" },
  "rolled-back": { text: "went back", tone: "warn" },
  "rolled-back-to-factory": { text: "went back to factory", tone: "warn" },
  "needs-human": { text: "needs you", tone: "bad" },
  proven: { text: "proven", tone: "good" },
  "data-proven": { text: "data proven, application not", tone: "warn" },
  failed: { text: "failed", tone: "bad" },
  good: { text: "good", tone: "good" },
  bad: { text: "bad", tone: "bad" },
  unknown: { text: "unknown", tone: "warn" },
  ok: { text: "ok", tone: "good" },
  "ok-with-loss": { text: "ok, with loss", tone: "warn" },
  "restore-required": { text: "needs its data back", tone: "warn" },
  "rebuild-required": { text: "needs a rebuild", tone: "warn" },
  blocked: { text: "blocked", tone: "bad" },
};

export type Tone = "good" | "warn" | "bad" | "plain";

export function outcomeWords(outcome: string | undefined): { text: string; tone: Tone } {
  if (outcome === undefined) return { text: "under way", tone: "plain" };
  return OUTCOMES[outcome] ?? { text: outcome, tone: "plain" };
}
