const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "90d" in milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = DURATION.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * MS[unit!]!;
}

const SIZE = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;
const POWERS = ["", "K", "M", "G", "T"];

/** "500MB", "2GiB" in bytes; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ""] = SIZE.exec(text) ?? [];
  if (number === undefined) return undefined;
  const base = unit.includes("i") ? 1024 : 1000;
  return Math.round(Number(number) * base ** POWERS.indexOf(unit.replace(/i?B$/, "")));
}
