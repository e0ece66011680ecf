const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "90d" in milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = DURATION.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * MS[unit!]!;
}
