const CHARACTERS_MAX = 200;
// oxlint-disable-next-line no-control-regex -- they are what is taken out
const ESCAPES = /\u001b(?:\[[0-9;?]*[A-Za-z]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[()][A-Z0-9])/g;
// oxlint-disable-next-line no-control-regex -- what is left of them shows nothing
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g;
/** What is printed below an error that nobody caught, beside lines that do not begin at the left. */
const BELOW_ERROR = /^(?:\s|[{}[\]]|Node\.js v\d|Emitted 'error' event|npm (?:ERR!|error))/;

/** What a program printed last that says why it ended, to be put behind it: ": Error: …", or nothing. */
export function lastWords(printed: string): string {
  const lines = printed
    .split("\n")
    .map((line) => line.replaceAll(ESCAPES, "").replaceAll(CONTROLS, " ").trimEnd())
    .filter((line) => line !== "");
  const told = (lines.findLast((line) => !BELOW_ERROR.test(line)) ?? lines.at(-1) ?? "").trim();
  return told === "" ? "" : `: ${told.slice(0, CHARACTERS_MAX)}`;
}
