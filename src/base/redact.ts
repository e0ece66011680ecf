/** Names and passwords that stand in a URL, as nobody should write them, are nobody's to read. */
export function redact(text: string): string {
  return text.replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^/?#\s@]+@/gi, "$1***@");
}

/** A URL as others may read it: signatures and keys stand behind the question mark, mostly. */
export function redactUrl(word: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(word)) return word;
  return redact(word).replace(/\?.*$/s, "?…");
}

/** So many characters at most; what is two of JavaScript's is not cut in two. */
export function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  return `${text.slice(0, charactersMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
