/** Names and passwords that stand in a URL, as nobody should write them, are nobody's to read. */
export function redact(text: string): string {
  return text.replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^/?#\s@]+@/gi, "$1***@");
}

/** So many characters at most, in whole ones. */
export function cut(text: string, charactersMax: number): string {
  const whole = [...text];
  return whole.length <= charactersMax ? text : `${whole.slice(0, charactersMax - 1).join("")}…`;
}
