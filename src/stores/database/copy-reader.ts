import type { DumpContent } from "./dump-reader.ts";

const [NEWLINE, BACKSLASH, DOT] = [10, 92, 46];
const HEAD_BYTES_MAX = 1024 * 1024;
/** Names as the dump writes them, quotes and all: they are those of quote_ident. */
const COPY = /^COPY ((?:[^".\s]+|"(?:[^"]|"")+")\.(?:[^".\s]+|"(?:[^"]|"")+")) \(.*\) FROM stdin;$/;
const COMPLETED = /^-- PostgreSQL database (?:cluster )?dump complete/;

/** Counts the rows in a plain dump of PostgreSQL as it goes by: each is one line behind its COPY. */
export class CopyReader {
  readonly #rows = new Map<string, number>();
  #head = "";
  #last = "";
  #table: string | undefined;
  /** Of a row's line: how many bytes so far, and whether it is the end of the rows. */
  #length = 0;
  #isEnd = false;

  get content(): DumpContent {
    return { rows: Object.fromEntries(this.#rows), isComplete: COMPLETED.test(this.#last) };
  }

  feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const found = bytes.indexOf(NEWLINE, at);
      const end = found === -1 ? bytes.length : found;
      if (this.#table === undefined) this.#readHead(bytes, at, end);
      else this.#readRow(bytes, at, end);
      if (found === -1) return;
      this.#endLine();
      at = end + 1;
    }
  }

  #readHead(bytes: Uint8Array, from: number, end: number): void {
    const room = HEAD_BYTES_MAX - this.#head.length;
    if (room <= 0) return;
    this.#head += Buffer.from(bytes.subarray(from, Math.min(end, from + room))).toString("latin1");
  }

  /** Two bytes on a line of their own end the rows; in a row the backslash would be doubled. */
  #readRow(bytes: Uint8Array, from: number, end: number): void {
    for (let at = from; at < end && this.#length < 3; at++, this.#length++) {
      if (this.#length === 0) this.#isEnd = bytes[at] === BACKSLASH;
      else if (this.#length === 1) this.#isEnd &&= bytes[at] === DOT;
      else this.#isEnd = false;
    }
  }

  #endLine(): void {
    if (this.#table !== undefined) {
      if (this.#isEnd && this.#length === 2) this.#table = undefined;
      else this.#rows.set(this.#table, this.#rows.get(this.#table)! + 1);
      this.#length = 0;
      this.#isEnd = false;
      return;
    }
    // Behind the last word come an empty comment and, since 2025, the end of psql's restriction.
    if (!/^(--)?$|^\\unrestrict /.test(this.#head)) this.#last = this.#head;
    const [, name] = COPY.exec(this.#head) ?? [];
    this.#head = "";
    if (name === undefined) return;
    this.#table = Buffer.from(name, "latin1").toString();
    this.#rows.set(this.#table, 0);
  }
}
