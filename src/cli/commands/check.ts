import { AppError, ERRORS } from "../../base/errors.ts";
import { verify, type VerifyOptions } from "../../operations/verify.ts";
import { type Command, isSet, reasonOf, textOption } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";

export const checkCommand: Command = {
  name: "check",
  summary: "Verifies the repository, with the verdict of `restic check`.",
  options: [
    ["--read-data", "read and verify all data"],
    ["--copy <name>", "not the repository itself, but one under copies:"],
    ["--read-data-subset <n/t>", "read one part of t, such as 3/7: another each day"],
    ["--read-next <t>", "read one part of t: what was not read for longest"],
    [
      "--repair-index",
      "first make the index anew from the packs, where index files are lost or damaged",
    ],
    ["--reason <text>", "why, for the history"],
  ],
  examples: [
    "lastgood check",
    "lastgood check --read-data",
    "lastgood check --read-data-subset 1/7",
    "lastgood check --read-next 30   # each day: after a month all was read",
    "lastgood check --repair-index   # when check says that what is missing may lie in packs without an index",
  ],

  async run(args, { withSystem, run }) {
    const readData = isSet(args, "readData")
      ? "all"
      : (nextOf(textOption(args, "readNext")) ?? partOf(textOption(args, "readDataSubset")));
    const copy = textOption(args, "copy");
    const repairIndex = isSet(args, "repairIndex");
    const value = await withSystem((system) =>
      verify(system, { readData, repairIndex, copy }, reasonOf(args), run),
    );
    const { errors, hints, snapshots, packs, bytesRead } = value;
    const read = bytesRead > 0 ? `, ${formatBytes(bytesRead)} read` : "";
    return {
      value,
      exit: errors.length === 0 ? 0 : ERRORS.CORRUPT.exit,
      lines: [
        ...errors.map((error) => `error: ${error}`),
        ...hints.map((hint) => `hint: ${hint}`),
        errors.length === 0
          ? `No errors: ${snapshots} snapshots, ${packs} packs${read}.`
          : `${errors.length} errors. Points that need the damaged parts are lost; take a new one now.`,
      ],
    };
  },
};

function nextOf(text: string | undefined): VerifyOptions["readData"] | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,3}$/.test(text)) return { nextOf: Number(text) };
  throw new AppError("USAGE", `check: ${text} is no number of parts; such as 30`);
}

function partOf(text: string | undefined): VerifyOptions["readData"] {
  if (text === undefined) return "none";
  const [, part, of] = /^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? [];
  if (part !== undefined && Number(part) >= 1 && Number(part) <= Number(of)) {
    return { part: Number(part), of: Number(of) };
  }
  throw new AppError("USAGE", `check: ${text} is no part; such as 3/7`);
}
