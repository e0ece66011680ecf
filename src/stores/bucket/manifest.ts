import type { Metadata } from "./read-object.ts";

/** The list of all objects of a point, beside them. */
export const MANIFEST = "objects.jsonl";

/** What a version has of one object, a line each. */
export type Entry = {
  readonly bucket: string;
  readonly key: string;
  /** In the tree of the point. */
  readonly name?: string;
  readonly size: number;
  readonly etag: string;
  readonly metadata?: Metadata;
  /** Of a version in the server: it lies aside, and not only where it is live. */
  readonly aside?: boolean;
};

export const idOf = ({ bucket, key }: { readonly bucket: string; readonly key: string }): string =>
  `${bucket}/${key}`;

export async function* readEntries(source: AsyncIterable<Uint8Array>): AsyncGenerator<Entry> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const part of source) {
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as Entry;
  }
}

const LINES_AT_ONCE = 1000;

export async function* writeEntries(entries: Iterable<Entry>): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  for (const entry of entries) {
    lines.push(`${JSON.stringify(entry)}\n`);
    if (lines.length < LINES_AT_ONCE) continue;
    yield Buffer.from(lines.join(""));
    lines = [];
  }
  yield Buffer.from(lines.join(""));
}
