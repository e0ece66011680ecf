// Makes the table of the characters that Go prints as they are (strconv.IsPrint: categories L, M,
// N, P, S and the space) from UnicodeData.txt, version 15.0, of Debian's package unicode-data.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const SOURCE = "/usr/share/unicode/UnicodeData.txt";
const TARGET = path.resolve(import.meta.dirname, "../src/repository/format/printable.generated.ts");

/** The text of printable.generated.ts. Throws ENOENT where unicode-data is not installed. */
export async function generatePrintable(): Promise<string> {
  const borders = bordersOf(printableRanges(await readFile(SOURCE, "utf8")));
  const deltas = borders.map((border, index) => border - (borders[index - 1] ?? 0));
  return [
    "// Made from Unicode 15.0 by `npm run build:printable`. Do not edit.",
    "// Distances between the characters at which printable and not printable change, in base 36.",
    `export const PRINTABLE_BORDERS =\n  "${deltas.map((delta) => delta.toString(36)).join(" ")}";`,
    "",
  ].join("\n");
}

function printableRanges(text: string): { first: number; last: number }[] {
  const ranges: { first: number; last: number }[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const [hex, name, category] = line.split(";");
    const code = Number.parseInt(hex!, 16);
    if (code !== 0x20 && !/^[LMNPS]/.test(category!)) continue;
    const previous = ranges.at(-1);
    if (name!.endsWith(", Last>")) previous.last = code;
    else if (previous?.last === code - 1) previous.last = code;
    else ranges.push({ first: code, last: code });
  }
  return ranges;
}

function bordersOf(ranges: readonly { first: number; last: number }[]): number[] {
  const borders: number[] = [];
  for (const { first, last } of ranges) {
    if (borders.at(-1) === first) borders.pop();
    else borders.push(first);
    borders.push(last + 1);
  }
  return borders;
}

if (import.meta.main) await writeFile(TARGET, await generatePrintable());
