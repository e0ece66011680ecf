import { PRINTABLE_BORDERS } from "./printable.generated.ts";

/**
 * Raw bytes, one character (U+0000 to U+00FF) a byte, as "latin1" decodes them. File names are
 * bytes; as such a string they sort by byte, compare fast and lose nothing.
 */
export type ByteString = string;

const REPLACEMENT = 0xfffd;
const PLAIN_NAME = /^[ !#-%'-;=?-[\]-~]*$/;

/** A name as restic writes it: Go's strconv.Quote without the quotes, then Go's JSON string. */
export function encodeName(name: ByteString): string {
  if (PLAIN_NAME.test(name)) return name;
  let text = "";
  for (const { rune, bytes } of runesOf(name)) text += quoteRune(rune, bytes);
  return jsonEscape(text);
}

/** The reverse of `encodeName`, from the string that JSON.parse gave. */
export function decodeName(text: string): ByteString {
  const bytes = toBytes(text);
  if (!bytes.includes("\\")) return bytes;
  return bytes.replace(ESCAPE, (escape) => {
    const kind = escape[1]!;
    if (kind === "x") return String.fromCharCode(Number.parseInt(escape.slice(2), 16));
    if (kind === "u" || kind === "U") {
      return toBytes(String.fromCodePoint(Number.parseInt(escape.slice(2), 16)));
    }
    return SHORT_TO_CHARACTER[kind] ?? kind;
  });
}

const ESCAPE = /\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[^xuU])/gi;
const SHORT_TO_CHARACTER: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const CHARACTER_TO_SHORT = new Map(
  Object.entries(SHORT_TO_CHARACTER).map(([short, character]) => [character.charCodeAt(0), short]),
);

/** Go's encoding/json of bytes that should be UTF-8; what is not becomes \ufffd. */
export function encodeText(bytes: ByteString): string {
  if (PLAIN_NAME.test(bytes)) return bytes;
  let text = "";
  for (const { rune } of runesOf(bytes)) {
    text += rune === undefined ? "\\ufffd" : jsonEscape(String.fromCodePoint(rune));
  }
  return text;
}

/** Whether bytes are valid UTF-8, so that `encodeText` keeps all of them. */
export function isUtf8(bytes: ByteString): boolean {
  for (const { rune } of runesOf(bytes)) if (rune === undefined) return false;
  return true;
}

/** A JavaScript string as the bytes of its UTF-8. */
export function toBytes(text: string): ByteString {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** For people: bytes that are no UTF-8 show as replacement characters. */
export function toText(bytes: ByteString): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

function quoteRune(rune: number | undefined, bytes: ByteString): string {
  if (rune === undefined) return `\\x${hex(bytes.charCodeAt(0), 2)}`;
  if (rune === 0x22 || rune === 0x5c) return `\\${String.fromCharCode(rune)}`;
  if (isPrintable(rune)) return String.fromCodePoint(rune);
  const short = CHARACTER_TO_SHORT.get(rune);
  if (short !== undefined) return `\\${short}`;
  if (rune < 0x20 || rune === 0x7f) return `\\x${hex(rune, 2)}`;
  return rune < 0x10000 ? `\\u${hex(rune, 4)}` : `\\U${hex(rune, 8)}`;
}

const JSON_SHORT: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** What Go's encoder escapes inside a string: more than JSON demands, so that HTML is safe. */
export function jsonEscape(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/["\\<>&\u2028\u2029\x00-\x1f]/g, (character) => {
    return JSON_SHORT[character] ?? `\\u${hex(character.charCodeAt(0), 4)}`;
  });
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** The characters of UTF-8 bytes, decoded as Go does: an invalid byte stands alone, without rune. */
function* runesOf(
  bytes: ByteString,
): Generator<{ rune: number | undefined; bytes: ByteString }, void, undefined> {
  for (let at = 0; at < bytes.length;) {
    const length = runeLengthAt(bytes, at);
    const part = bytes.slice(at, at + Math.max(length, 1));
    yield { rune: length === 0 ? undefined : decodeRune(part), bytes: part };
    at += part.length;
  }
}

/** The number of bytes of the valid UTF-8 sequence that starts here, or 0. */
function runeLengthAt(bytes: ByteString, at: number): number {
  const first = bytes.charCodeAt(at);
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) {
    if ((bytes.charCodeAt(at + i) & 0xc0) !== 0x80) return 0;
  }
  const rune = decodeRune(bytes.slice(at, at + length));
  const tooLong = (length === 3 && rune < 0x800) || (length === 4 && rune < 0x10000);
  const surrogate = rune >= 0xd800 && rune <= 0xdfff;
  return tooLong || surrogate || rune > 0x10ffff ? 0 : length;
}

function decodeRune(part: ByteString): number {
  if (part.length === 1) return part.charCodeAt(0);
  let rune = part.charCodeAt(0) & (0xff >> (part.length + 1));
  for (let i = 1; i < part.length; i++) rune = (rune << 6) | (part.charCodeAt(i) & 0x3f);
  return rune;
}

const borders: number[] = [];
for (const delta of PRINTABLE_BORDERS.split(" ")) {
  borders.push((borders.at(-1) ?? 0) + Number.parseInt(delta, 36));
}

/** Go's strconv.IsPrint: an even number of borders up to here means not printable. */
function isPrintable(rune: number): boolean {
  if (rune === REPLACEMENT) return true;
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (borders[middle]! <= rune) low = middle + 1;
    else high = middle;
  }
  return low % 2 === 1;
}
