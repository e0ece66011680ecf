/** What a dump was found to contain while it went by. */
export type DumpContent = {
  /** Rows a table, of those that have any. */
  readonly rows: Readonly<Record<string, number>>;
  /** Whether its last line says that it is whole: exit codes are not believed. */
  readonly isComplete: boolean;
};

const [NEWLINE, QUOTE, OPEN, CLOSE, SEMICOLON, BACKSLASH] = [10, 39, 40, 41, 59, 92];
const LETTER_S = 83;
const HEAD_BYTES_MAX = 4096;
const INSERT = /^INSERT INTO `((?:[^`]|``)+)` (?:\([^)]*\) )?VALUES$/;
const COMPLETED = /^-- Dump completed/;

/**
 * Counts the rows in a dump of MariaDB or MySQL as it goes by. MariaDB writes each row on a line of
 * its own, MySQL many on one: there the parentheses outside of strings are counted.
 */
export class DumpReader {
  readonly #rows = new Map<string, number>();
  /** Rows of the table that it is at, not yet among those: to look it up for each row is a quarter of the work. */
  #count = 0;
  /** The line so far; rows are not part of it. */
  #head = "";
  #last = "";
  #table = "";
  #state: "line" | "after values" | "row lines" | "rows in line" | "rest of line" = "line";
  #depth = 0;
  #isInString = false;
  /** Of a row's line that is not complete yet: its first and its last byte. */
  #first = 0;
  #latest = 0;

  get content(): DumpContent {
    this.#settle();
    const isComplete = COMPLETED.test(this.#head === "" ? this.#last : this.#head);
    return { rows: Object.fromEntries(this.#rows), isComplete };
  }

  feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at = this.#step(bytes, at);
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#state) {
      case "line":
        return this.#readLine(bytes, at);
      case "after values":
        this.#state = bytes[at] === NEWLINE ? "row lines" : "rows in line";
        return at + 1;
      case "row lines":
        return this.#readRowLine(bytes, at);
      case "rows in line":
        return this.#isInString ? this.#skipString(bytes, at) : this.#readRows(bytes, at);
      case "rest of line": {
        const end = bytes.indexOf(NEWLINE, at);
        if (end === -1) return bytes.length;
        this.#state = "line";
        return end + 1;
      }
    }
  }

  #readLine(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === NEWLINE) {
        if (this.#head !== "") this.#last = this.#head;
        this.#head = "";
        return at + 1;
      }
      this.#head += String.fromCharCode(byte);
      const insert = byte === LETTER_S ? INSERT.exec(this.#head) : null;
      if (insert !== null) {
        this.#settle();
        this.#table = Buffer.from(insert[1]!.replaceAll("``", "`"), "latin1").toString();
        this.#last = "INSERT";
        this.#head = "";
        this.#state = "after values";
        return at + 1;
      }
      if (this.#head.length === HEAD_BYTES_MAX) {
        this.#last = this.#head;
        this.#head = "";
        this.#state = "rest of line";
        return at + 1;
      }
    }
    return bytes.length;
  }

  /** In strings newlines are escaped, so each line is one row, and the last one ends the statement. */
  #readRowLine(bytes: Uint8Array, at: number): number {
    if (this.#first === 0) this.#first = bytes[at]!;
    const end = bytes.indexOf(NEWLINE, at);
    if (end === -1) {
      this.#latest = bytes.at(-1)!;
      return bytes.length;
    }
    const latest = end > at ? bytes[end - 1]! : this.#latest;
    if (this.#first === OPEN) this.#count++;
    if (latest === SEMICOLON || this.#first !== OPEN) this.#state = "line";
    this.#first = 0;
    return end + 1;
  }

  #readRows(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.#isInString = true;
        return at + 1;
      }
      if (byte === OPEN && this.#depth++ === 0) this.#count++;
      else if (byte === CLOSE) this.#depth--;
      else if (byte === SEMICOLON && this.#depth === 0) {
        this.#state = "rest of line";
        return at + 1;
      }
    }
    return bytes.length;
  }

  #skipString(bytes: Uint8Array, from: number): number {
    let at = from;
    if (this.#latest === BACKSLASH) {
      this.#latest = 0;
      at++;
    }
    for (;;) {
      const quote = bytes.indexOf(QUOTE, at);
      const end = quote === -1 ? bytes.length : quote;
      let slashes = 0;
      while (end - slashes > at && bytes[end - slashes - 1] === BACKSLASH) slashes++;
      const isEscaped = slashes % 2 === 1;
      if (quote === -1) {
        this.#latest = isEscaped ? BACKSLASH : 0;
        return bytes.length;
      }
      if (!isEscaped) {
        this.#isInString = false;
        return quote + 1;
      }
      at = quote + 1;
    }
  }

  #settle(): void {
    if (this.#count === 0) return;
    this.#rows.set(this.#table, (this.#rows.get(this.#table) ?? 0) + this.#count);
    this.#count = 0;
  }
}
