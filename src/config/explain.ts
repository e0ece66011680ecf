import type * as z from "zod";

type Issue = z.core.$ZodIssue;

/** What is wrong, for people, and where. */
export function explainIssue(
  issue: Issue,
  schema: z.ZodType,
): { message: string; at: readonly PropertyKey[]; what: "key" | "value" } {
  const where = issue.path.join(".");
  const prefix = where === "" ? "" : `${where}: `;
  switch (issue.code) {
    case "unrecognized_keys": {
      const [key = ""] = issue.keys;
      const known = keysAt(schema, issue.path);
      const nearest = nearestOf(key, known);
      const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
      return {
        message: `${prefix}unknown key ${key}${hint}`,
        at: [...issue.path, key],
        what: "key",
      };
    }
    case "invalid_type": {
      const missing = issue.message.endsWith("received undefined");
      const message = missing ? `${where} is missing` : `${prefix}${lower(issue.message)}`;
      return { message, at: issue.path, what: "value" };
    }
    default:
      return { message: `${prefix}${lower(issue.message)}`, at: issue.path, what: "value" };
  }
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

type Definition = {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly in?: z.ZodType;
};

/** The keys that may stand at a place of the configuration. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.ZodType | undefined = schema;
  for (const key of path) at = at === undefined ? undefined : below(at, key);
  return at === undefined ? [] : Object.keys(unwrap(at).shape ?? {});
}

function below(schema: z.ZodType, key: PropertyKey): z.ZodType | undefined {
  const { shape, valueType, element } = unwrap(schema);
  return shape?.[String(key)] ?? valueType ?? element;
}

function unwrap(schema: z.ZodType): Definition {
  const definition = schema.def as unknown as Definition;
  const inner = definition.innerType ?? definition.in;
  return inner === undefined ? definition : unwrap(inner);
}

/** The known word that differs least, if it is near enough to be meant. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance);
  const [best] = ranked;
  const limit = Math.max(2, Math.floor(word.length / 3));
  return best !== undefined && best.distance <= limit ? best.candidate : undefined;
}

/** How many letters have to be changed, added or removed. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
