import path from "node:path";
import { AppError } from "../../base/errors.ts";
import type { PlanPreview } from "../../operations/plan-preview.ts";
import {
  deploy,
  type DeployOptions,
  previewDeploy,
  type ReleaseResult,
} from "../../operations/releases/deploy.ts";
import {
  type Arguments,
  type Command,
  isSet,
  reasonOf,
  type Result,
  textOption,
} from "../command.ts";
import { formatMs } from "../format.ts";
import { OUTCOMES } from "../outcome.ts";

export const deployCommand: Command = {
  name: "deploy",
  summary: "Makes a release the live one, and goes back by itself when it is not healthy.",
  arguments: "<component> <version>",
  options: [
    ["--from <package>", "a zip or tar file, a folder, or a URL"],
    ["--image <reference>", "of releases that are images: not the version's tag, but this one"],
    ["--size <bytes>", "how many bytes the package has"],
    ["--sha256 <hex>", "its checksum"],
    ["--md5 <hex>", "its checksum, where there is no other"],
    ["--plan", "show what would be done; change nothing"],
    ["--force", "an older or bad release, while held, or while a check is bad already"],
    ["--reason <text>", "why, for the history"],
  ],
  examples: [
    "lastgood deploy device 1.2.0 --from device-1.2.0.zip",
    "lastgood deploy device 1.2.0 --from https://updates.example/device.zip --sha256 9f86d0…",
    "lastgood deploy device 1.2.0 --from ./build --plan",
    "lastgood deploy web 2.0.0",
    "lastgood deploy web 2.0.0 --image cr.example/team/web@sha256:9f86d0…",
  ],

  async run(args, { withSystem, run, folder }) {
    const [component, version = ""] = args.positionals;
    const options = optionsOf(args, folder);
    return await withSystem(async (system) => {
      if (isSet(args, "plan")) {
        const plan = await previewDeploy(system, component, version, options, run);
        return { value: plan, lines: describePlan(`Deploy of ${version}`, plan) };
      }
      return describeRelease(await deploy(system, component, version, options, run));
    });
  },
};

function optionsOf(args: Arguments, folder: string): DeployOptions {
  const from = textOption(args, "from");
  const size = textOption(args, "size");
  if (size !== undefined && !/^\d+$/.test(size)) {
    throw new AppError("USAGE", `deploy: --size ${size} is no number of bytes`);
  }
  const checksums = ["size", "sha256", "md5"].filter((name) => args.options[name] !== undefined);
  if (from === undefined && checksums.length > 0) {
    throw new AppError("USAGE", `deploy: --${checksums[0]} is of a package: name it by --from`);
  }
  const source =
    from === undefined
      ? undefined
      : {
          from: /^https?:/i.test(from) ? from : path.resolve(folder, from),
          bytes: size === undefined ? undefined : Number(size),
          sha256: textOption(args, "sha256"),
          md5: textOption(args, "md5"),
        };
  const image = textOption(args, "image");
  return { source, image, reason: reasonOf(args), force: isSet(args, "force") };
}

/** A plan for people, with all ways back. */
export function describePlan(title: string, { steps, ways }: PlanPreview): string[] {
  return [
    `${title}:`,
    ...steps.map((step) => `  ${step}`),
    ...ways.flatMap((way) => [
      way.depth === "factory"
        ? "If that is not healthy either, it goes to the factory release:"
        : "If it fails, it goes back:",
      ...way.steps.map((step) => `  ${step}`),
    ]),
  ];
}

function allFailed(waysTried: number): string {
  const levels = Array.from({ length: waysTried }, (_, i) => `ROLLBACK_LEVEL_${i + 1}_FAILED`);
  return ["DEPLOYMENT_FAILED", ...levels].join(" + ");
}

/** What a deploy or a rollback tells. */
export function describeRelease(value: ReleaseResult): Result {
  const {
    outcome,
    component,
    from,
    to,
    live,
    operation,
    waysTried,
    error,
    hint,
    isDataAside,
    elapsedMs,
  } = value;
  const { exit, says } = OUTCOMES[outcome];
  return {
    value,
    exit,
    lines: [
      `${component} ${from ?? "nothing"} → ${to}: ${outcome}, ${formatMs(elapsedMs)}. ${says}`,
      ...(error === undefined ? [] : [`  ${error}`]),
      ...(hint === undefined ? [] : [`  ${hint}`]),
      `  live: ${live ?? "nothing"} (operation ${operation})`,
      ...(isDataAside
        ? [
            `  The data are as ${to} left them. To put back those from before: lastgood undo ${operation}`,
          ]
        : []),
      ...(outcome === "needs-human" ? [`  ${allFailed(waysTried)}`] : []),
      ...(outcome === "needs-human" ? ["  See: lastgood runbook, then lastgood recover"] : []),
    ],
  };
}
