import { describePoint, listPoints } from "../../operations/points/catalogue.ts";
import { findPoint } from "../../operations/points/point.ts";
import type { Command } from "../command.ts";
import { formatBytes } from "../format.ts";

export const showCommand: Command = {
  name: "show",
  summary: "Shows what is in a point: stores, rows, files, why it is invalid.",
  arguments: "[point]",
  examples: ["lastgood show latest", "lastgood show 20261121T030000Z"],

  async run({ positionals: [named = "latest"] }, { withSystem, run }) {
    const value = await withSystem(async (system) => {
      const point = findPoint(await listPoints(system, run), named);
      const description = await describePoint(await system.repository(run), point, run);
      return { ...description, snapshot: point.snapshot.id, pinned: point.pinned };
    });
    const { stamp, valid, errors, warnings, reason, stores, consistency, skewMs } = value;
    return {
      value,
      lines: [
        `${stamp}: ${valid ? "valid" : `INVALID: ${errors.join(", ")}`}`,
        ...(reason === "" ? [] : [`reason: ${reason}`]),
        `stores captured ${consistency}, within ${skewMs} ms`,
        ...Object.entries(stores).flatMap(([name, { kind, path, facts }]) => [
          `  ${name}: ${kind} ${path}, ${facts === undefined ? "absent" : formatBytes(facts.bytes)}`,
          ...Object.entries(facts?.rows ?? {}).map(([table, rows]) => `    ${table}: ${rows} rows`),
          ...(facts?.files === undefined ? [] : [`    ${facts.files} files`]),
        ]),
        ...warnings.map((warning) => `  warning: ${warning}`),
      ],
    };
  },
};
