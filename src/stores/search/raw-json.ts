import assert from "node:assert/strict";

// JSON is cut, and not read: a number of 64 bits or 1.0 would not come back as it was.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const [COMMA, COLON] = [0x2c, 0x3a];

const isSpace = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d);

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function endOfString(text: string, at: number): number {
  for (let end = at + 1; ; end++) {
    const code = text.charCodeAt(end);
    assert(!Number.isNaN(code), "the answer is cut");
    if (code === BACKSLASH) end++;
    else if (code === QUOTE) return end + 1;
  }
}

/** Behind the value that begins there. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (let end = at; end < text.length;) {
    const code = text.charCodeAt(end);
    if (code === QUOTE) {
      end = endOfString(text, end);
      if (depth === 0) return end;
      continue;
    }
    if (code === OPEN || code === OPEN_LIST) depth++;
    if (code === CLOSE || code === CLOSE_LIST) {
      if (depth === 0) return end;
      if (--depth === 0) return end + 1;
    }
    if (depth === 0 && (code === COMMA || isSpace(code))) return end;
    end++;
  }
  assert(depth === 0, "the answer is cut");
  return text.length;
}

/** The members of an object, each value as its text. */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = skipSpace(text, 0);
  assert(text.charCodeAt(at) === OPEN, "the answer is no object");
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) !== CLOSE) {
    const nameEnd = endOfString(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    at = skipSpace(text, nameEnd);
    assert(text.charCodeAt(at) === COLON, "the answer is no JSON");
    at = skipSpace(text, at + 1);
    const end = endOfValue(text, at);
    members.set(name, text.slice(at, end));
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return members;
}

/** The elements of a list, each as its text. */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let at = skipSpace(text, 0);
  assert(text.charCodeAt(at) === OPEN_LIST, "the answer is no list");
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) !== CLOSE_LIST) {
    const end = endOfValue(text, at);
    assert(end > at, "the answer is cut");
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return elements;
}

/** On one line, as bulk requests want it; line ends within strings are escaped already. */
export function onOneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, " ") : text;
}
