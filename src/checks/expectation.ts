/** What a value has to be. */
export type Expectation = {
  readonly equals?: unknown;
  readonly above?: number | undefined;
  readonly below?: number | undefined;
};

/** What is wrong with a value; of a list or text, `above` and `below` mean its length. */
export function problemOf(
  value: unknown,
  { equals, above, below }: Expectation,
): string | undefined {
  if (equals !== undefined && JSON.stringify(value) !== JSON.stringify(equals)) {
    return `not ${JSON.stringify(equals)}`;
  }
  const size = Array.isArray(value) || typeof value === "string" ? value.length : value;
  if (above !== undefined && !(typeof size === "number" && size > above))
    return `not above ${above}`;
  if (below !== undefined && !(typeof size === "number" && size < below))
    return `not below ${below}`;
  return undefined;
}

/** The value at a dotted path of a JSON value. */
export function valueAt(root: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    return typeof value === "object" && value !== null
      ? (value as Record<string, unknown>)[key]
      : undefined;
  }, root);
}
