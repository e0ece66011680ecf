import path from "node:path";
import { AppError } from "../../base/errors.ts";
import { openRebuild } from "../../operations/rebuild.ts";
import type { RestoreOptions } from "../../operations/prepare-restore.ts";
import {
  previewRestore,
  restore,
  type RestorePreview,
  type RestoreResult,
} from "../../operations/restore.ts";
import { openSystem, type System, withScratchState } from "../../operations/system.ts";
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
import { formatBytes } from "../../base/format-bytes.ts";
import { formatMs } from "../format.ts";
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
    ["--system <name>", "which of several systems in that repository"],
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
      return await context.withSystem(async (system) => {
        const options = optionsOf(args, context);
        const planned = await decide(system, args, options, context);
        return planned ?? (await carryOut(system, args, options, context));
      });
    }
    if (typeof repository !== "string" || typeof passwordFile !== "string") {
      throw new AppError("USAGE", "restore: name the password too: --password-file FILE");
    }
    return await restoreAnew(
      repositoryOfFlags(repository, passwordFile, context.folder),
      args,
      context,
    );
  },
};

/** On a new machine. Until it is confirmed, the machine stays as it is. */
async function restoreAnew(
  repository: ReturnType<typeof repositoryOfFlags>,
  args: Arguments,
  context: Context,
): Promise<Result> {
  const { folder, run } = context;
  const point = args.positionals[0]!;
  const from = { repository, point, system: textOption(args, "system") };
  const rebuild = await openRebuild(from, folder, context, run);
  const options = optionsOf(args, context);
  const planned = await withScratchState(rebuild.loaded, context, (system) =>
    decide(system, args, options, context),
  );
  if (planned !== undefined) return planned;
  await rebuild.putBack(run);
  using system = await openSystem(rebuild.loaded, context);
  const result = await carryOut(system, args, options, context);
  const left = rebuild.leftToDo().map((line) => `  Before the next backup: ${line}`);
  return { ...result, lines: [...result.lines, ...left] };
}

function optionsOf(args: Arguments, { folder }: Context): RestoreOptions {
  const file = textOption(args, "file");
  return {
    ...selectionOf(args),
    file: file === undefined ? undefined : path.resolve(folder, file),
    reason: reasonOf(args),
    force: isSet(args, "force"),
  };
}

/** The plan, if only that was asked for; undefined when it may be carried out. REFUSED. */
async function decide(
  system: System,
  args: Arguments,
  options: RestoreOptions,
  { run, confirm }: Context,
): Promise<Result | undefined> {
  if (isSet(args, "yes") && !isSet(args, "plan")) return undefined;
  const preview = await previewRestore(system, args.positionals[0]!, options, run);
  if (isSet(args, "plan")) return { value: preview, lines: describePreview(preview) };
  const question = [...describePreview(preview), "Restore?"].join("\n");
  if (await confirm(question)) return undefined;
  throw new AppError("REFUSED", `restore ${preview.stamp}: not confirmed`, {
    hint: "Look at it with --plan; without a terminal, confirm with --yes.",
  });
}

async function carryOut(
  system: System,
  args: Arguments,
  options: RestoreOptions,
  { run }: Context,
): Promise<Result> {
  return describeResult(await restore(system, args.positionals[0]!, options, run));
}

function describePreview({
  stamp,
  steps,
  wayBack,
  bytes,
  space,
  loss,
  stale,
  rebuilds,
}: RestorePreview): string[] {
  return [
    `Restore of ${stamp}, ${formatBytes(bytes)}:`,
    ...steps.map((step) => `  ${step}`),
    "If it fails, all goes back:",
    ...wayBack.map((step) => `  ${step}`),
    ...space.map(
      ({ folder, bytesNeeded, bytesFree, enough }) =>
        `Space in ${folder}: ${formatBytes(bytesNeeded)} needed, ${formatBytes(bytesFree)} free${enough ? "" : ": NOT ENOUGH"}`,
    ),
    "What would be lost (it stays beside, for undo):",
    ...Object.entries(loss).flatMap(([store, lines]) =>
      (lines.length === 0 ? ["nothing"] : lines).map((line) => `  ${store}: ${line}`),
    ),
    ...stale.map((store) => `Stays as it is, and may no longer fit: ${store}`),
    ...rebuilds.map(
      ({ store, command, costs }) =>
        `${store} is made anew afterwards, by ${command.join(" ")}: ${costs}`,
    ),
  ];
}

/** What a restore or an undo tells. */
export function describeResult(value: RestoreResult): Result {
  const { outcome, stamp, operation, elapsedMs, error, hint, stale, leftStopped } = value;
  const { exit, says } = OUTCOMES[outcome];
  return {
    value,
    exit,
    lines: [
      `${stamp}: ${outcome}, ${formatMs(elapsedMs)}. ${says}`,
      ...(error === undefined ? [] : [`  ${error}`]),
      ...(hint === undefined ? [] : [`  ${hint}`]),
      ...(leftStopped.length === 0
        ? []
        : [`  Left stopped: ${leftStopped.join(", ")}. To start it: lastgood start`]),
      ...stale.map(
        (store) => `  ${store} did not come back with it and may no longer fit: rebuild it`,
      ),
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
