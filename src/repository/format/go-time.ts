const NS_PER_SECOND = 1_000_000_000n;
const FIRST_SECOND = -62167219200n;
const LAST_SECOND = 253402300799n;

/** Nanoseconds since 1970 as Go's RFC3339Nano in UTC: trailing zeros trimmed, years 0 to 9999. */
export function formatTime(ns: bigint): string {
  let fraction = ns % NS_PER_SECOND;
  if (fraction < 0n) fraction += NS_PER_SECOND;
  const wanted = (ns - fraction) / NS_PER_SECOND;
  const second = wanted < FIRST_SECOND ? FIRST_SECOND : wanted > LAST_SECOND ? LAST_SECOND : wanted;
  const date = dateTimeOf(Number(second));
  if (fraction === 0n) return `${date}Z`;
  return `${date}.${fraction.toString().padStart(9, "0").replace(/0+$/, "")}Z`;
}

let lastSecond = Number.NaN;
let lastText = "";

/** Neighbours in a folder mostly share their second, and formatting one costs a microsecond. */
function dateTimeOf(second: number): string {
  if (second !== lastSecond) {
    lastText = new Date(second * 1000).toISOString().slice(0, 19);
    lastSecond = second;
  }
  return lastText;
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** The reverse, with any offset. Undefined when it is no time. */
export function parseTime(text: string): bigint | undefined {
  const [, dateTime, fraction = "", zone] = RFC3339.exec(text) ?? [];
  const ms = Date.parse(`${dateTime}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Whether two texts name the same moment; cheap when they are alike. */
export function isSameTime(a: string, b: string): boolean {
  return a === b || (parseTime(a) ?? a) === (parseTime(b) ?? b);
}
