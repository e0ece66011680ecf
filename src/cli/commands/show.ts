import { AppError } from "../../base/errors.ts";
import { describePoint, listPoints } from "../../operations/points/catalogue.ts";
import { findPoint } from "../../operations/points/point.ts";
import { listFiles, saveFile } from "../../operations/points/files.ts";
import { type Command, textOption } from "../command.ts";
import { formatBytes } from "../../base/format-bytes.ts";
import { table } from "../format.ts";

export const showCommand: Command = {
  name: "show",
  summary:
    "Shows what is in a point: stores, rows, files, why it is invalid. Files lie at " +
    "/stores/COMPONENT/STORE/ and the name that the file or folder has.",
  arguments: "[point]",
  options: [
    ["--files <folder>", "what lies in a folder of the point; / is its root"],
    ["--file <file>", "one file of it, with --to"],
    ["--to <path>", "where the file is written; nothing may be there yet"],
  ],
  examples: [
    "lastgood show latest",
    "lastgood show 20261121T030000Z",
    "lastgood show latest --files /stores/app/uploads",
    "lastgood show latest --file /stores/app/uploads/uploads/contract.pdf --to contract.pdf",
  ],

  async run(args, { withSystem, run }) {
    const [named = "latest"] = args.positionals;
    const [file, to] = [textOption(args, "file"), textOption(args, "to")];
    if (file !== undefined) {
      if (to === undefined) throw new AppError("USAGE", "show: say where to, with --to PATH");
      const value = await withSystem((system) => saveFile(system, named, file, to, run));
      return { value, lines: [`${file} of ${value.stamp} is ${value.to}`] };
    }
    const folder = textOption(args, "files");
    if (folder !== undefined) {
      const value = await withSystem((system) => listFiles(system, named, folder, run));
      const rows = value.files.map(({ name, type, bytes, modified }) => [
        type === "dir" ? `${name}/` : name,
        bytes === undefined ? "" : formatBytes(bytes),
        modified,
      ]);
      return { value, lines: table(["NAME", "SIZE", "MODIFIED"], rows) };
    }
    const value = await withSystem(async (system) => {
      const point = findPoint(await listPoints(system, run), named);
      const description = await describePoint(await system.repository(run), point, run);
      return {
        ...description,
        snapshot: point.snapshot.id,
        pinned: point.pinned,
        drill: point.drill,
      };
    });
    const { stamp, valid, errors, drill, warnings, reason, stores, consistency, skewMs } = value;
    return {
      value,
      lines: [
        `${stamp}: ${valid ? "valid" : `INVALID: ${errors.join(", ")}`}`,
        ...(drill === undefined ? [] : [`its last drill: ${drill}`]),
        ...(reason === "" ? [] : [`reason: ${reason}`]),
        `stores captured ${consistency}, within ${skewMs} ms`,
        ...Object.entries(stores).flatMap(([name, { kind, path, facts }]) => [
          `  ${name}: ${kind} ${path}, ${facts === undefined ? "absent" : formatBytes(facts.bytes)}`,
          ...Object.entries(facts?.rows ?? {}).map(([one, rows]) => `    ${one}: ${rows} rows`),
          ...(facts?.files === undefined ? [] : [`    ${facts.files} files`]),
        ]),
        ...warnings.map((warning) => `  warning: ${warning}`),
      ],
    };
  },
};
