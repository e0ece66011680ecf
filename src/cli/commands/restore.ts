import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { rebuildFrom } from "../../operations/rebuild.ts";
import type { RestoreOptions } from "../../operations/prepare-restore.ts";
import {
  previewRestore,
  restore,
  type RestorePreview,
  type RestoreResult,
} from "../../operations/restore.ts";
import { openSystem, type System } from "../../operations/system.ts";
import {
  type Arguments,
  type Command,
  type Context,
  isSet,
  reasonOf,
  type Result,
  selectionOf,
  textOption,
} from "../command.ts";
import { formatBytes, formatMs } from "../format.ts";
import { OUTCOMES } from "../outcome.ts";
import { repositoryOfFlags } from "../repository-flags.ts";

export const restoreCommand: Command = {
  name: "restore",
  summary: "Brings data back to a point: all of it, a component, a store or a file.",
  arguments: "<point>",
  options: [
    ["--plan", "show what would be done and lost; change nothing"],
    ["--yes", "do not ask"],
    ["--component <name>", "only this component"],
    ["--store <name>", "only this store"],
    ["--file <path>", "only this file or folder, by the path that the application uses"],
    ["--reason <text>", "why, for the history"],
    ["--force", "even though the point has other paths"],
    ["--repository <folder>", "on a new machine: from this repository, without a configuration"],
    ["--password-file <file>", "where its password stands"],
  ],
  examples: [
    "lastgood restore latest --plan",
    "lastgood restore 20261121T030000Z --store db",
    "lastgood restore latest --file uploads/2026/contract.pdf",
    "lastgood restore latest --repository /mnt/backup --password-file /root/key",
  ],

  async run(args, context) {
    const { repository, passwordFile } = args.options;
    if (repository === undefined) {
      return await context.withSystem((system) => restoreIn(system, args, context));
    }
    if (typeof repository !== "string" || typeof passwordFile !== "string") {
      throw new AppError("USAGE", "restore: name the password too: --password-file FILE");
    }
    const { folder, env, clock, run } = context;
    const from = repositoryOfFlags(repository, passwordFile, folder);
    const named = args.positionals[0]!;
    using system = await openSystem(await rebuildFrom(from, named, folder, { env, clock }, run), {
      env,
      clock,
    });
    return await restoreIn(system, args, context);
  },
};

async function restoreIn(system: System, args: Arguments, context: Context): Promise<Result> {
  const [named = "latest"] = args.positionals;
  const { run, confirm } = context;
  const file = textOption(args, "file");
  const options: RestoreOptions = {
    ...selectionOf(args),
    file: file === undefined ? undefined : path.resolve(context.folder, file),
    reason: reasonOf(args),
    force: isSet(args, "force"),
  };
  if (isSet(args, "plan")) {
    const value = await previewRestore(system, named, options, run);
    return { value, lines: describePreview(value) };
  }
  if (!isSet(args, "yes")) {
    const preview = await previewRestore(system, named, options, run);
    const question = [...describePreview(preview), "Restore?"].join("\n");
    if (!(await confirm(question))) {
      throw new AppError("REFUSED", `restore ${preview.stamp}: not confirmed`, {
        hint: "Look at it with --plan; without a terminal, confirm with --yes.",
      });
    }
  }
  return describeResult(await restore(system, named, options, run));
}

function describePreview({ stamp, steps, bytes, space, loss, stale }: RestorePreview): string[] {
  return [
    `Restore of ${stamp}, ${formatBytes(bytes)}:`,
    ...steps.map((step) => `  ${step}`),
    ...space.map(
      ({ folder, bytesNeeded, bytesFree, enough }) =>
        `Space in ${folder}: ${formatBytes(bytesNeeded)} needed, ${formatBytes(bytesFree)} free${enough ? "" : ": NOT ENOUGH"}`,
    ),
    "What would be lost (it stays beside, for undo):",
    ...Object.entries(loss).flatMap(([store, lines]) =>
      (lines.length === 0 ? ["nothing"] : lines).map((line) => `  ${store}: ${line}`),
    ),
    ...stale.map((store) => `Not in the point, stays as it is: ${store}`),
  ];
}

/** What a restore or an undo tells. */
export function describeResult(value: RestoreResult): Result {
  const { outcome, stamp, operation, elapsedMs, error, stale } = value;
  const { exit, says } = OUTCOMES[outcome];
  return {
    value,
    exit,
    lines: [
      `${stamp}: ${outcome}, ${formatMs(elapsedMs)}. ${says}`,
      ...(error === undefined ? [] : [`  ${error}`]),
      ...stale.map((store) => `  ${store} was not in the point and may no longer fit: rebuild it`),
      ...(outcome === "committed"
        ? [
            `  Put back what was there: lastgood undo ${operation}`,
            `  Confirm it: lastgood keep ${operation}`,
          ]
        : []),
      ...(outcome === "needs-human" ? ["  See: lastgood history, then lastgood recover"] : []),
    ],
  };
}
