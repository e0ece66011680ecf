const CHARACTERS_MAX = 200;

/** What a program printed last that says why it ended, to be put behind it: ": Error: …", or nothing. */
export function lastWords(printed: string): string {
  const lines = printed.split("\n").filter((line) => line.trim() !== "");
  // Below what went wrong Node and Python print where; the line that says what begins at the left.
  const told = lines.findLast((line) => /^\w*(Error|Exception)\b/.test(line));
  const last = (told ?? lines.at(-1) ?? "").trim();
  return last === "" ? "" : `: ${last.slice(0, CHARACTERS_MAX)}`;
}
