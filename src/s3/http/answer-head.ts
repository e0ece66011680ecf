/** What an answer says before its body. */
export type AnswerHead = {
  readonly status: number;
  /** Names in small letters; of a name that comes several times the values, with ", " between them. */
  readonly headers: Readonly<Record<string, string>>;
};

const STATUS_LINE = /^HTTP\/1\.1 (\d{3})(?: |$)/;
/** RFC 9110, 5.6.2: no space before the colon, and nothing folded. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// oxlint-disable-next-line no-control-regex -- these are what must not be there
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * Reads the head of an HTTP/1.1 answer, without the empty line at its end. Undefined when it is anything
 * but plain: who asked then has it from somebody who understands all that servers may say. RFC 9112.
 */
export function parseHead(text: string): AnswerHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!TOKEN.test(name) || CONTROL.test(line)) return undefined;
    const value = trimmed(line.slice(colon + 1));
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers: Object.fromEntries(headers) };
}

/** Without blanks around it. `trim` would take bytes of letters for blanks too. */
function trimmed(value: string): string {
  const isBlank = (at: number): boolean => value[at] === " " || value[at] === "\t";
  let [from, to] = [0, value.length];
  while (from < to && isBlank(from)) from++;
  while (from < to && isBlank(to - 1)) to--;
  return value.slice(from, to);
}
