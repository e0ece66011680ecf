import { AppError } from "../../base/errors.ts";
import { repositoryOfFlags } from "../repository-flags.ts";
import { listPoints } from "../../operations/points/catalogue.ts";
import { type Point, pointsAmong } from "../../operations/points/point.ts";
import { openRepositoryAt } from "../../operations/system.ts";
import { type Command, type Context, textOption } from "../command.ts";
import { table } from "../format.ts";

export const pointsCommand: Command = {
  name: "points",
  summary: "Lists the recovery points, oldest first.",
  options: [
    ["--repository <folder>", "of this repository, without a configuration"],
    ["--password-file <file>", "where its password stands"],
    ["--system <name>", "of this system, where several share a repository"],
  ],
  examples: [
    "lastgood points",
    "lastgood points --repository /mnt/backup --password-file /root/key",
  ],

  async run(args, context) {
    const at = textOption(args, "repository");
    const named = textOption(args, "system");
    const all =
      at === undefined
        ? await context.withSystem((system) => listPoints(system, context.run))
        : await pointsOf(at, textOption(args, "passwordFile"), context);
    const points = all.filter(({ system }) => named === undefined || system === named);
    const isShared = new Set(points.map(({ system }) => system)).size > 1;
    const value = {
      points: points.map(({ stamp, snapshot, system, valid, errors, pinned, drill, stores }) => ({
        stamp,
        snapshot: snapshot.id,
        system,
        valid,
        errors,
        pinned,
        drill,
        components: [...new Set(stores.map((store) => store.split("/")[0]))],
        stores,
      })),
    };
    const rows = points.map((point) => [
      point.stamp,
      point.snapshot.id.slice(0, 8),
      ...(isShared ? [point.system] : []),
      verdictOf(point),
      point.stores.join(" "),
    ]);
    const heads = ["STAMP", "ID", ...(isShared ? ["SYSTEM"] : []), "STATE", "STORES"];
    const lines = rows.length === 0 ? ["No points yet."] : table(heads, rows);
    return { value, lines };
  },
};

async function pointsOf(
  at: string,
  passwordFile: string | undefined,
  { run, env, clock, folder }: Context,
): Promise<Point[]> {
  if (passwordFile === undefined) {
    throw new AppError("USAGE", "points: name the password too: --password-file FILE");
  }
  const repository = repositoryOfFlags(at, passwordFile, folder);
  const opened = await openRepositoryAt(
    repository,
    { state: `${folder}/.lastgood` },
    { env, clock },
    run,
  );
  return pointsAmong(await opened.snapshots(run));
}

function verdictOf({ valid, errors, pinned, drill, isSafety }: Point): string {
  const words = [valid ? "valid" : `INVALID (${errors.join(", ")})`];
  if (drill !== undefined) words.push(drill === "failed" ? "DRILL-FAILED" : drill);
  if (pinned) words.push("pinned");
  if (isSafety) words.push("safety");
  return words.join(" ");
}
