// Names on Linux are bytes. Those that are not UTF-8 go through the program as text in which each
// byte from 0x80 on is a lone surrogate (U+DC80 to U+DCFF), as Python has it, and come out as bytes.

const FIRST = 0xdc80;

/** The text of a name, from which `toPath` makes the same bytes again. */
export function fromName(name: Buffer): string {
  const text = name.toString("utf8");
  if (!text.includes("\uFFFD") || Buffer.from(text).equals(name)) return text;
  return Array.from(name, (byte) =>
    String.fromCharCode(byte < 0x80 ? byte : FIRST + byte - 0x80),
  ).join("");
}

/** What the file system functions take for it. */
export function toPath(text: string): string | Buffer {
  if (text.isWellFormed()) return text;
  return Buffer.concat(
    Array.from(text, (char) => {
      const code = char.codePointAt(0)!;
      const isByte = code >= FIRST && code < FIRST + 0x80;
      return isByte ? Buffer.of(code - FIRST + 0x80) : Buffer.from(char);
    }),
  );
}
