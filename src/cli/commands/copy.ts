import { AppError } from "../../base/errors.ts";
import { listPoints } from "../../operations/points/catalogue.ts";
import { findPoint } from "../../operations/points/point.ts";
import { openRepositoryAt } from "../../operations/system.ts";
import type { Command } from "../command.ts";
import { formatBytes } from "../format.ts";

export const copyCommand: Command = {
  name: "copy",
  summary: "Copies points to a second repository of the configuration (copies:), best elsewhere.",
  arguments: "<name> [points...]",
  examples: ["lastgood copy offsite", "lastgood copy offsite latest"],

  async run({ positionals: [name = "", ...named] }, { withSystem, run, env, clock }) {
    const value = await withSystem(async (system) => {
      const { copies, state } = system.config;
      const target = Object.hasOwn(copies, name) ? copies[name] : undefined;
      if (target === undefined) {
        const known = Object.keys(copies).join(", ") || "none";
        throw new AppError("NOT_FOUND", `copy to ${name}: the configuration does not have it`, {
          hint: `Under copies: there is ${known}.`,
        });
      }
      const points = await listPoints(system, run);
      const chosen =
        named.length === 0
          ? points.filter(({ valid }) => valid)
          : named.map((one) => findPoint(points, one));
      const from = await system.repository(run);
      const to = await openRepositoryAt(target, state, { env, clock }, run);
      return await from.copyTo(
        to,
        chosen.map(({ snapshot }) => snapshot.id),
        run,
      );
    });
    const { copied, bytesAdded } = value;
    return {
      value,
      lines: [`${copied.length} points copied to ${name}, ${formatBytes(bytesAdded)} added.`],
    };
  },
};
