// How names and values stand in statements and in what the client prints.

/** A field as the client prints it with --batch. */
export function unescaped(field: string): string {
  const letters: Readonly<Record<string, string>> = { n: "\n", t: "\t", "0": "\0", "\\": "\\" };
  return field.replaceAll(/\\([nt0\\])/g, (_, letter: string) => letters[letter]!);
}

/** A text in a statement, whatever is in it and whatever the server's mode is. */
export function text(value: string): string {
  const hex = Buffer.from(value).toString("hex");
  return hex === "" ? "''" : `CONVERT(0x${hex} USING utf8mb4)`;
}

/** A name in a statement. */
export function quoted(...names: string[]): string {
  return names.map((name) => `\`${name.replaceAll("`", "``")}\``).join(".");
}
