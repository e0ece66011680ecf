/** What an answer says before its body. */
export type AnswerHead = {
  readonly status: number;
  /** Names in small letters; of a name that comes several times the values, with ", " between them. */
  readonly headers: Readonly<Record<string, string>>;
};

const STATUS_LINE = /^HTTP\/1\.1 (\d{3})(?: |$)/;
/** A name is a token: no space before the colon, and nothing folded. RFC 9112, 5. */
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*(.*?)[\t ]*$/;

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
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const small = name.toLowerCase();
    const before = headers.get(small);
    headers.set(small, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), headers: Object.fromEntries(headers) };
}
