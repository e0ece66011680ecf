const CHARACTERS_MAX = 200;
// oxlint-disable-next-line no-control-regex -- they are what is taken out
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u001f\u007f-\u009f]+/g;
/** What Node prints below an error that nobody caught, beside lines that do not begin at the left. */
const BELOW_ERROR = /^(?:\s|[}\]]|Node\.js v\d|Emitted 'error' event)/;

/** What a program printed last that says why it ended, to be put behind it: ": Error: …", or nothing. */
export function lastWords(printed: string): string {
  const lines = printed.split("\n").filter((line) => line.trim() !== "");
  const told = lines.findLast((line) => !BELOW_ERROR.test(line)) ?? lines.at(-1) ?? "";
  const plain = told.replaceAll(ESCAPES, " ").trim();
  return plain === "" ? "" : `: ${plain.slice(0, CHARACTERS_MAX)}`;
}
