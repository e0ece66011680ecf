/** Whether a missing server fails the tests, as it does in CI, or skips them with a word. */
export function skipWithout(found: unknown, what: string): string | false {
  if (found !== undefined && found !== false) return false;
  if (process.env["LASTGOOD_TEST_SERVERS"] === "required") return false;
  return `${what} is not installed`;
}
