const MINUTE_MS = 60_000;

/** "3 h 12 min", "2 days", as people say it. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  if (days >= 2) return `${days} days`;
  if (hours > 0) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

/** The same, as exactly as it was measured where it is short. */
export function exactSpan(ms: number): string {
  return ms < 2 * MINUTE_MS ? `${(ms / 1000).toFixed(1)} s` : span(ms);
}
